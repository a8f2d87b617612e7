-- Schemas, extensions and types.
CREATE SCHEMA app AUTHORIZATION seed_owner;
CREATE SCHEMA "Ünï ""Schema"" 'x'" AUTHORIZATION "Seed ""Größe"" 'Ünï'";
CREATE SCHEMA ext;
CREATE SCHEMA secret AUTHORIZATION seed_other;
COMMENT ON SCHEMA app IS 'the application';
GRANT USAGE ON SCHEMA app TO seed_reader;
GRANT USAGE ON SCHEMA ext TO PUBLIC;
GRANT USAGE, CREATE ON SCHEMA app TO seed_other WITH GRANT OPTION;
REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO seed_reader;

CREATE EXTENSION pgcrypto SCHEMA ext;
CREATE EXTENSION hstore SCHEMA ext;
CREATE EXTENSION citext;
CREATE EXTENSION btree_gist SCHEMA ext;

-- Grants that come with the schema for what is made later.
ALTER DEFAULT PRIVILEGES FOR ROLE seed_owner IN SCHEMA app GRANT SELECT ON TABLES TO seed_reader;
ALTER DEFAULT PRIVILEGES FOR ROLE seed_owner GRANT EXECUTE ON FUNCTIONS TO seed_other;
ALTER DEFAULT PRIVILEGES FOR ROLE seed_owner REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
ALTER DEFAULT PRIVILEGES FOR ROLE seed_owner GRANT USAGE ON SEQUENCES TO "seed-dash role";
ALTER DEFAULT PRIVILEGES FOR ROLE seed_owner GRANT USAGE ON TYPES TO seed_other WITH GRANT OPTION;

SET ROLE seed_owner;
SET search_path TO app, public, ext;

CREATE TYPE mood AS ENUM ('sad', 'ok', 'it''s "great"', 'größte');
ALTER TYPE mood ADD VALUE 'meh' BEFORE 'ok';
CREATE TYPE "Point 3D" AS (x float8, y float8, "z axis" float8);
COMMENT ON TYPE "Point 3D" IS 'with a column''s name to quote';
COMMENT ON COLUMN "Point 3D"."z axis" IS 'upwards';
CREATE DOMAIN email AS public.citext CHECK (VALUE ~ '^[^@]+@[^@]+$');
CREATE DOMAIN percent AS numeric(5, 2) DEFAULT 0 NOT NULL CONSTRAINT in_range CHECK (VALUE BETWEEN 0 AND 100);
CREATE DOMAIN tags AS text[] CHECK (cardinality(VALUE) < 10);
COMMENT ON DOMAIN percent IS 'of a hundred';
CREATE TYPE floatrange AS RANGE (subtype = float8, subtype_diff = float8mi, multirange_type_name = floatranges);
CREATE COLLATION "Deutsch" (provider = icu, locale = 'de-u-co-phonebk');
CREATE COLLATION folded (provider = icu, locale = 'und-u-ks-level2', deterministic = false);

CREATE TEXT SEARCH CONFIGURATION simple_english (COPY = english);
ALTER TEXT SEARCH CONFIGURATION simple_english ALTER MAPPING FOR asciiword WITH simple;

RESET ROLE;
