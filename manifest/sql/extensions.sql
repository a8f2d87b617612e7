SELECT row_to_json(r)
FROM (
    SELECT e.extname AS name, e.extversion AS version, n.nspname AS schema
    FROM pg_extension e
    LEFT JOIN pg_namespace n ON n.oid = e.extnamespace
    ORDER BY e.extname
) r
