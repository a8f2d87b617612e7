-- $1: with the location, which is read from the server's file system.
SELECT row_to_json(r)
FROM (
    SELECT oid::bigint AS oid, spcname AS name, pg_get_userbyid(spcowner) AS owner,
        CASE WHEN $1::boolean THEN nullif(pg_tablespace_location(oid), '') END AS location,
        coalesce(spcoptions, '{}') AS options
    FROM pg_tablespace
    ORDER BY spcname
) r
