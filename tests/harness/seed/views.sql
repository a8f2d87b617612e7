-- Views, rules, policies, event triggers, foreign data, publications, large objects.
SET ROLE seed_owner;
SET search_path TO app, public, ext;

CREATE VIEW cheerful WITH (security_barrier) AS SELECT id, name FROM customer WHERE feeling > 'ok' WITH CASCADED CHECK OPTION;
CREATE VIEW "Ünï view" AS SELECT c.*, s.amount FROM customer c LEFT JOIN sale s ON s.customer = c.id;
CREATE RECURSIVE VIEW numbers (n) AS VALUES (1) UNION ALL SELECT n + 1 FROM numbers WHERE n < 5;
ALTER VIEW cheerful ALTER COLUMN name SET DEFAULT 'nobody';
GRANT SELECT ON cheerful TO PUBLIC;
CREATE MATERIALIZED VIEW totals AS SELECT region, sum(amount) AS total FROM sale GROUP BY region;
CREATE UNIQUE INDEX totals_region ON totals (region);
CREATE MATERIALIZED VIEW totals_of_totals AS SELECT sum(total) AS total FROM totals;
CREATE MATERIALIZED VIEW unpopulated AS SELECT * FROM totals WITH NO DATA;
COMMENT ON MATERIALIZED VIEW totals IS 'refreshed now and then';

CREATE TABLE audit (at timestamptz DEFAULT '2024-01-01 00:00:00+00', what text);
CREATE RULE record_update AS ON UPDATE TO parent DO ALSO INSERT INTO audit (what) VALUES ('parent ' || NEW.id);
CREATE RULE protect AS ON DELETE TO parent WHERE OLD.id = 1 DO INSTEAD NOTHING;
COMMENT ON RULE protect ON parent IS 'the first one stays';
UPDATE parent SET note = 'changed' WHERE id = 1;

CREATE TABLE secured (id int, owner name, body text);
INSERT INTO secured VALUES (1, 'seed_owner', 'mine'), (2, 'seed_other', 'not mine');
ALTER TABLE secured ENABLE ROW LEVEL SECURITY;
ALTER TABLE secured FORCE ROW LEVEL SECURITY;
CREATE POLICY own_rows ON secured FOR SELECT TO seed_owner, seed_reader USING (owner = current_user);
CREATE POLICY "no ""changes""" ON secured AS RESTRICTIVE FOR UPDATE USING (false) WITH CHECK (id > 0);
COMMENT ON POLICY own_rows ON secured IS 'one''s own';
RESET ROLE;

CREATE TABLE secret.plan (id int PRIMARY KEY, text bytea);
INSERT INTO secret.plan SELECT n, ext.digest(n::text, 'sha256') FROM generate_series(1, 50) n;
ALTER TABLE secret.plan OWNER TO seed_other;
CREATE TABLE "Ünï ""Schema"" 'x'"."täble 'quoted'" ("id ""x""" serial PRIMARY KEY, v text);
INSERT INTO "Ünï ""Schema"" 'x'"."täble 'quoted'" (v) VALUES ('a'), ('b');
ALTER TABLE "Ünï ""Schema"" 'x'"."täble 'quoted'" OWNER TO "Seed ""Größe"" 'Ünï'";

CREATE FUNCTION app.log_ddl() RETURNS event_trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO app.audit (what) VALUES (tg_tag);
END $$;
CREATE EVENT TRIGGER seed_ddl ON ddl_command_end WHEN TAG IN ('CREATE TABLE', 'ALTER TABLE') EXECUTE FUNCTION app.log_ddl();
CREATE TABLE app.noticed (id int);
CREATE EVENT TRIGGER seed_off ON sql_drop EXECUTE FUNCTION app.log_ddl();
ALTER EVENT TRIGGER seed_off DISABLE;
COMMENT ON EVENT TRIGGER seed_ddl IS 'every table';

CREATE EXTENSION postgres_fdw SCHEMA ext;
CREATE SERVER "far ""away""" TYPE 'x' VERSION '1.0' FOREIGN DATA WRAPPER postgres_fdw
    OPTIONS (host '192.0.2.1', dbname 'it''s "db"', port '5433');
CREATE USER MAPPING FOR seed_owner SERVER "far ""away""" OPTIONS (user 'remote', password 'fdw-secret');
CREATE USER MAPPING FOR PUBLIC SERVER "far ""away""" OPTIONS (user 'anybody');
GRANT USAGE ON FOREIGN SERVER "far ""away""" TO seed_owner;
CREATE FOREIGN TABLE app.remote (id int OPTIONS (column_name 'ID') NOT NULL, v text DEFAULT 'x') SERVER "far ""away"""
    OPTIONS (schema_name 'public', table_name 'remote''s');
CREATE FOREIGN DATA WRAPPER home_made OPTIONS (debug 'true');

CREATE PUBLICATION everything FOR ALL TABLES WITH (publish = 'insert, delete');
CREATE PUBLICATION "some 'tables'" FOR TABLE app.customer (id, mail) WHERE (id > 1010), TABLE ONLY app.parent;
CREATE PUBLICATION whole_schema FOR TABLES IN SCHEMA secret, TABLE app.hen WITH (publish_via_partition_root);
COMMENT ON PUBLICATION everything IS 'all of it';

SELECT lo_from_bytea(70001, ext.digest('large', 'sha512'));
SELECT lo_from_bytea(70002, decode(repeat('00ff', 300000), 'hex'));
SELECT lo_from_bytea(70003, '');
SELECT lo_put(70001, 1000000, '\xdeadbeef'); -- a hole before it
ALTER LARGE OBJECT 70001 OWNER TO seed_owner;
GRANT SELECT ON LARGE OBJECT 70001 TO seed_reader;
COMMENT ON LARGE OBJECT 70002 IS 'ünï''s object';
