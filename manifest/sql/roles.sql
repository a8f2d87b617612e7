-- Predefined roles (pg_*) are left out, as pg_dumpall does; memberships in
-- them are kept.
SELECT row_to_json(r)
FROM (
    SELECT rolname AS name, rolsuper AS superuser, rolreplication AS replication, rolcanlogin AS can_login,
        rolcreatedb AS create_db, rolcreaterole AS create_role, rolinherit AS inherit,
        rolbypassrls AS bypass_rls, rolconnlimit AS connection_limit, rolvaliduntil AS valid_until,
        coalesce(m.names, '[]') AS member_of
    FROM pg_roles
    LEFT JOIN (
        SELECT member, json_agg(name ORDER BY name) AS names
        FROM (
            SELECT DISTINCT a.member, g.rolname AS name
            FROM pg_auth_members a
            JOIN pg_roles g ON g.oid = a.roleid
        ) d
        GROUP BY member
    ) m ON m.member = pg_roles.oid
    WHERE rolname !~ '^pg_'
    ORDER BY rolname
) r
