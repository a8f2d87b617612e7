SELECT row_to_json(r)
FROM (
    SELECT current_setting('server_version') AS server_version,
        current_setting('server_version_num')::int AS server_version_num,
        pg_is_in_recovery() AS in_recovery
) r
