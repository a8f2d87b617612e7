-- The privileges that are in force: where none was ever granted or revoked, the
-- catalogue has nothing, and those of acldefault count. No role can be named
-- "public".
SELECT row_to_json(r)
FROM (
    SELECT n.nspname AS name, pg_get_userbyid(n.nspowner) AS owner,
        coalesce((
            SELECT json_agg(json_build_object(
                'grantee', CASE a.grantee WHEN 0 THEN 'public' ELSE pg_get_userbyid(a.grantee) END,
                'grantor', pg_get_userbyid(a.grantor),
                'privilege', a.privilege_type, 'grantable', a.is_grantable
            ) ORDER BY a.ord)
            FROM aclexplode(coalesce(n.nspacl, acldefault('n', n.nspowner)))
                WITH ORDINALITY a (grantor, grantee, privilege_type, is_grantable, ord)
        ), '[]') AS grants,
        obj_description(n.oid, 'pg_namespace') AS comment, e.extname AS extension
    FROM pg_namespace n
    LEFT JOIN pg_depend d ON d.classid = 'pg_namespace'::regclass AND d.objid = n.oid
        AND d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e'
    LEFT JOIN pg_extension e ON e.oid = d.refobjid
    WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
    ORDER BY n.nspname
) r
