-- One line per table, materialized view, sequence and large object: what is in
-- it. The same for the same content, whatever the order of the rows.
SET search_path TO pg_catalog;
SET row_security TO off;
SET datestyle TO 'ISO, YMD';
SET intervalstyle TO 'postgres';
SET timezone TO 'UTC';
SET bytea_output TO 'hex';
SET extra_float_digits TO 1;
SET statement_timeout TO 0;
SET lock_timeout TO 0;

SELECT statement FROM (
    SELECT format('SELECT %L || count(*) || '' '' || coalesce(md5(string_agg(md5(ROW(r.*)::text), '''' ORDER BY md5(ROW(r.*)::text) COLLATE "C")), ''-'') FROM ONLY %I.%I r;',
        format('%s %I.%I: ', CASE relkind WHEN 'r' THEN 'table' ELSE 'matview' END, nspname, relname), nspname, relname)
    FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace
    WHERE relkind IN ('r', 'm') AND relispopulated AND relpersistence <> 't'
        AND nspname NOT IN ('pg_catalog', 'information_schema') AND nspname !~ '^pg_(toast|temp)'
    UNION ALL
    SELECT format('SELECT %L || last_value || '' '' || is_called FROM %I.%I;', format('sequence %I.%I: ', nspname, relname), nspname, relname)
    FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace
    WHERE relkind = 'S' AND relpersistence <> 't'
    UNION ALL
    SELECT format('SELECT ''large object %s: '' || md5(lo_get(%s)) || '' '' || %L;', oid, oid, concat_ws(' ', pg_get_userbyid(lomowner),
        (SELECT string_agg(CASE grantee WHEN 0 THEN 'PUBLIC' ELSE pg_get_userbyid(grantee) END || '=' || privilege_type || is_grantable, ','
            ORDER BY grantee::regrole::text COLLATE "C", privilege_type)
            FROM aclexplode(coalesce(lomacl, acldefault('L', lomowner)))),
        obj_description(oid, 'pg_largeobject'))) FROM pg_largeobject_metadata
) made (statement) ORDER BY statement COLLATE "C"
