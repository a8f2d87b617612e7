-- A setting that this role may not see has no row.
-- archive_command shows "(disabled)" while archive_mode is off and may hold
-- secrets: only whether there is one leaves the server. TimeZone is changed by
-- this session, its reset value is the server's.
SELECT lower(name),
    CASE lower(name)
        WHEN 'archive_command' THEN (reset_val <> '')::text
        WHEN 'timezone' THEN reset_val
        ELSE setting
    END
FROM pg_settings
WHERE lower(name) IN ('data_directory', 'timezone', 'max_connections', 'wal_level', 'data_checksums',
    'block_size', 'wal_block_size', 'shared_preload_libraries', 'archive_mode', 'archive_command')
UNION ALL
-- The locale that initdb was given: template0 keeps it. As settings these
-- three belong to one database, and two of them are gone since 16.
SELECT s.name, s.value
FROM (
    SELECT pg_encoding_to_char(encoding) AS encoding, datcollate, datctype
    FROM pg_database
    ORDER BY datname = 'template0' DESC, datname = current_database() DESC
    LIMIT 1
) d,
LATERAL (VALUES ('server_encoding', d.encoding::text), ('lc_collate', d.datcollate::text),
    ('lc_ctype', d.datctype::text)) s (name, value)
