-- ALTER ROLE ALL SET: of no role and no database.
SELECT row_to_json(r)
FROM (
    SELECT split_part(c.setting, '=', 1) AS name, substr(c.setting, strpos(c.setting, '=') + 1) AS value
    FROM pg_db_role_setting s, unnest(s.setconfig) WITH ORDINALITY c (setting, ord)
    WHERE s.setdatabase = 0 AND s.setrole = 0
    ORDER BY c.ord
) r
