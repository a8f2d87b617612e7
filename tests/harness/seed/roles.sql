-- Roles of the seed cluster: attributes, passwords, memberships, settings.
CREATE ROLE seed_owner LOGIN CREATEDB PASSWORD 'owner-secret' CONNECTION LIMIT 12;
CREATE ROLE seed_other NOLOGIN;
CREATE ROLE seed_reader NOLOGIN NOINHERIT;
CREATE ROLE seed_replicator LOGIN REPLICATION PASSWORD 'replication-secret' VALID UNTIL '2031-02-03 04:05:06+00';
CREATE ROLE seed_creator CREATEROLE BYPASSRLS;
CREATE ROLE "Seed ""Größe"" 'Ünï'" LOGIN;
CREATE ROLE "seed-dash role" LOGIN PASSWORD 'a''b\c"d';

-- A password that some other server has hashed.
CREATE ROLE seed_md5 LOGIN PASSWORD 'md5c1ab4ecbc35b9fb0fc0f0eb2ddd3a4c5';

GRANT seed_reader TO seed_owner, "Seed ""Größe"" 'Ünï'";
GRANT seed_other TO seed_owner WITH ADMIN OPTION;
GRANT pg_read_all_data TO seed_reader;

ALTER ROLE seed_owner SET search_path TO app, public;
ALTER ROLE seed_owner SET statement_timeout TO '1h';
ALTER ROLE "Seed ""Größe"" 'Ünï'" SET application_name TO 'it''s "here"; -- ünï';

COMMENT ON ROLE seed_owner IS 'Owns the application''s objects — «ünï»';

-- Databases of special kinds.
CREATE DATABASE seed OWNER seed_owner TEMPLATE template0;
COMMENT ON DATABASE seed IS 'Hard on purpose: ''quotes'', "double", \ and ünï';
ALTER DATABASE seed SET work_mem TO '5MB';
ALTER DATABASE seed SET search_path TO "$user", public, app;
ALTER ROLE seed_owner IN DATABASE seed SET enable_seqscan TO off;
ALTER ROLE ALL IN DATABASE seed SET lock_timeout TO '11s';
REVOKE ALL ON DATABASE seed FROM PUBLIC;
GRANT CONNECT, TEMPORARY ON DATABASE seed TO seed_reader;
GRANT CONNECT ON DATABASE seed TO "Seed ""Größe"" 'Ünï'" WITH GRANT OPTION;

CREATE DATABASE seed_latin1 TEMPLATE template0 ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' CONNECTION LIMIT 7;
CREATE DATABASE seed_template TEMPLATE template0 IS_TEMPLATE true OWNER seed_other;
CREATE DATABASE seed_empty TEMPLATE template0;

ALTER DATABASE postgres SET log_min_duration_statement TO '123456';
COMMENT ON DATABASE postgres IS 'the seed was here';
