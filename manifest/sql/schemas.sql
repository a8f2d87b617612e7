SELECT row_to_json(r)
FROM (
    SELECT nspname AS name, pg_get_userbyid(nspowner) AS owner
    FROM pg_namespace
    WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'
    ORDER BY nspname
) r
