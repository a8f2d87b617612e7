-- Functions, procedures, aggregates, operators, casts.
SET ROLE seed_owner;
SET search_path TO app, public, ext;

CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $body$
BEGIN
    -- a body with 'quotes', $$dollars$$, \backslashes\ and a ; semicolon
    NEW.changed := '2024-02-29 12:00:00+00';
    RETURN NEW;
END
$body$;

CREATE FUNCTION add3("a b" int, b int DEFAULT 2, VARIADIC rest int[] DEFAULT '{}') RETURNS int
    LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT COST 7
    RETURN "a b" + b + cardinality(rest);

CREATE FUNCTION pairs(OUT n int, OUT "Name" text) RETURNS SETOF record LANGUAGE sql STABLE ROWS 3
BEGIN ATOMIC
    SELECT 1, 'one'::text UNION ALL SELECT 2, 'zwölf'::text;
END;

CREATE FUNCTION guarded() RETURNS text LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = app, pg_temp SET work_mem = '7MB' AS 'BEGIN RETURN current_user; END';
REVOKE ALL ON FUNCTION guarded() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION guarded() TO "Seed ""Größe"" 'Ünï'" WITH GRANT OPTION;
COMMENT ON FUNCTION guarded() IS 'runs as its owner';

CREATE PROCEDURE noop(INOUT x int) LANGUAGE plpgsql AS 'BEGIN x := x + 1; END';

CREATE AGGREGATE product(numeric) (SFUNC = numeric_mul, STYPE = numeric, INITCOND = '1', PARALLEL = SAFE);

CREATE FUNCTION point_eq("Point 3D", "Point 3D") RETURNS bool LANGUAGE sql IMMUTABLE
    RETURN ($1).x = ($2).x AND ($1).y = ($2).y;
CREATE OPERATOR === (LEFTARG = "Point 3D", RIGHTARG = "Point 3D", FUNCTION = point_eq, COMMUTATOR = ===);
CREATE FUNCTION point_text("Point 3D") RETURNS text LANGUAGE sql IMMUTABLE RETURN '(' || ($1).x || ')';
CREATE CAST ("Point 3D" AS text) WITH FUNCTION point_text("Point 3D");


RESET ROLE;
