-- Run in another database: makes "small". See make.sh.
CREATE DATABASE small TEMPLATE template0;
\connect small
CREATE SCHEMA "Sch""ema";
CREATE TYPE "Sch""ema".mood AS ENUM ('sad', 'ok');
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TABLE "Sch""ema"."new
line" (id serial PRIMARY KEY, mood "Sch""ema".mood DEFAULT 'ok', note text CHECK (note <> ''));
INSERT INTO "Sch""ema"."new
line" (note) SELECT 'note ' || n FROM generate_series(1, 3) n;
CREATE TABLE part (id int NOT NULL, v text) PARTITION BY RANGE (id);
CREATE TABLE part_1 PARTITION OF part FOR VALUES FROM (1) TO (100);
INSERT INTO part VALUES (1, 'one');
CREATE INDEX part_v ON part (v);
CREATE TABLE child (id int REFERENCES "Sch""ema"."new
line");
CREATE TRIGGER touch BEFORE INSERT ON child FOR EACH ROW EXECUTE FUNCTION touch();
CREATE VIEW seen AS SELECT id, note FROM "Sch""ema"."new
line";
CREATE MATERIALIZED VIEW counted AS SELECT count(*) AS n FROM part;
GRANT SELECT ON seen TO PUBLIC;
GRANT SELECT (id) ON child TO PUBLIC;
COMMENT ON TABLE child IS 'two
lines';
SELECT lo_from_bytea(4711, 'large');
ANALYZE;
