-- $1: with sizes, $2: this database only ('' for all). The name comes a second
-- time as it is, for JSON loses bytes that are no UTF-8.
SELECT r.name, row_to_json(r)
FROM (
    SELECT d.datname AS name, pg_get_userbyid(d.datdba) AS owner, pg_encoding_to_char(d.encoding) AS encoding,
        d.datcollate AS collate, d.datctype AS ctype,
        CASE d.datlocprovider WHEN 'c' THEN 'libc' WHEN 'i' THEN 'icu' WHEN 'b' THEN 'builtin' -- since 15
            ELSE d.datlocprovider::text END AS locale_provider,                                -- since 15
        d.daticulocale AS locale,                                                              -- since 15 before 17
        d.datlocale AS locale,                                                                 -- since 17
        d.daticurules AS icu_rules,                                                            -- since 16
        NULL AS icu_rules,                                                                     -- before 16
        d.datcollversion AS collation_version,                                                 -- since 15
        'libc' AS locale_provider, NULL AS locale, NULL AS collation_version,                  -- before 15
        d.datallowconn AS allow_conn, d.datistemplate AS is_template, s.spcname AS default_tablespace,
        d.datconnlimit AS connection_limit,
        CASE WHEN $1::boolean AND (has_database_privilege(d.oid, 'CONNECT')
                OR pg_has_role('pg_read_all_stats', 'USAGE'))
            THEN pg_database_size(d.oid) END AS size_bytes
    FROM pg_database d
    LEFT JOIN pg_tablespace s ON s.oid = d.dattablespace
    WHERE $2::text = '' OR d.datname = $2::text::name
) r
