-- Members of extensions that what is no member refers to, by name: a dependency of an
-- operator class of the extension itself does not count.
SELECT row_to_json(r)
FROM (
    SELECT DISTINCT e.extname AS extension, n.nspname AS schema, m.name
    FROM (
        SELECT 'pg_class'::regclass AS classid, oid, relnamespace AS namespace, relname AS name FROM pg_class
        UNION ALL SELECT 'pg_type'::regclass, oid, typnamespace, typname FROM pg_type
        UNION ALL SELECT 'pg_proc'::regclass, oid, pronamespace, proname FROM pg_proc
        UNION ALL SELECT 'pg_operator'::regclass, oid, oprnamespace, oprname FROM pg_operator
        UNION ALL SELECT 'pg_opclass'::regclass, oid, opcnamespace, opcname FROM pg_opclass
        UNION ALL SELECT 'pg_opfamily'::regclass, oid, opfnamespace, opfname FROM pg_opfamily
        UNION ALL SELECT 'pg_collation'::regclass, oid, collnamespace, collname FROM pg_collation
        UNION ALL SELECT 'pg_conversion'::regclass, oid, connamespace, conname FROM pg_conversion
        UNION ALL SELECT 'pg_ts_config'::regclass, oid, cfgnamespace, cfgname FROM pg_ts_config
        UNION ALL SELECT 'pg_ts_dict'::regclass, oid, dictnamespace, dictname FROM pg_ts_dict
        UNION ALL SELECT 'pg_ts_parser'::regclass, oid, prsnamespace, prsname FROM pg_ts_parser
        UNION ALL SELECT 'pg_ts_template'::regclass, oid, tmplnamespace, tmplname FROM pg_ts_template
    ) m
    JOIN pg_depend d ON d.classid = m.classid AND d.objid = m.oid AND d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e'
    JOIN pg_extension e ON e.oid = d.refobjid
    JOIN pg_namespace n ON n.oid = m.namespace
    WHERE EXISTS (
        SELECT FROM pg_depend u
        WHERE u.refclassid = m.classid AND u.refobjid = m.oid AND u.deptype = 'n'
            AND u.classid NOT IN ('pg_amop'::regclass, 'pg_amproc'::regclass)
            AND NOT EXISTS (SELECT FROM pg_depend o WHERE o.classid = u.classid AND o.objid = u.objid AND o.deptype = 'e')
    )
    ORDER BY 1, 2, 3
) r
