-- A database in which everything depends on everything.
CREATE SCHEMA core;
CREATE SCHEMA util;
CREATE SCHEMA ext;
CREATE SCHEMA "Odd schema";
COMMENT ON SCHEMA core IS 'the middle';
GRANT USAGE ON SCHEMA core, util, "Odd schema" TO PUBLIC;
ALTER DEFAULT PRIVILEGES IN SCHEMA core GRANT SELECT ON TABLES TO PUBLIC;
CREATE EXTENSION citext SCHEMA ext;
CREATE EXTENSION hstore SCHEMA ext;
CREATE EXTENSION btree_gist SCHEMA ext;
CREATE EXTENSION pg_trgm SCHEMA ext;
CREATE EXTENSION postgres_fdw SCHEMA ext;

-- Types upon types.
CREATE TYPE core.state AS ENUM ('new', 'open', 'closed');
CREATE DOMAIN util.live AS core.state CHECK (VALUE::text <> 'closed');
CREATE DOMAIN util.opened AS util.live CONSTRAINT is_open CHECK (VALUE::text = 'open');
ALTER DOMAIN util.opened ADD CONSTRAINT later CHECK (VALUE IS NOT NULL) NOT VALID;
COMMENT ON CONSTRAINT is_open ON DOMAIN util.opened IS 'open only';
CREATE TYPE util.address AS (street text, state util.live, mail ext.citext);
COMMENT ON COLUMN util.address.street IS 'and number';
CREATE FUNCTION util.distance(float8, float8) RETURNS float8 LANGUAGE sql IMMUTABLE RETURN $1 - $2;
CREATE TYPE util.span AS RANGE (subtype = float8, subtype_diff = util.distance);
CREATE COLLATION util.byte FROM "C";
CREATE TYPE util.number;
CREATE FUNCTION util.number_in(cstring) RETURNS util.number LANGUAGE internal IMMUTABLE STRICT AS 'int4in';
CREATE FUNCTION util.number_out(util.number) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'int4out';
CREATE TYPE util.number (INPUT = util.number_in, OUTPUT = util.number_out, LIKE = int4);
DO $$
DECLARE
    op text[];
BEGIN
    FOREACH op SLICE 1 IN ARRAY '{{<,lt},{<=,le},{=,eq},{>=,ge},{>,gt}}'::text[] LOOP
        EXECUTE format('CREATE FUNCTION util.number_%s(util.number, util.number) RETURNS bool LANGUAGE internal IMMUTABLE STRICT AS ''int4%s''', op[2], op[2]);
        EXECUTE format('CREATE OPERATOR util.%s (LEFTARG = util.number, RIGHTARG = util.number, FUNCTION = util.number_%s)', op[1], op[2]);
    END LOOP;
END $$;
CREATE FUNCTION util.number_cmp(util.number, util.number) RETURNS int LANGUAGE internal IMMUTABLE STRICT AS 'btint4cmp';
CREATE OPERATOR CLASS util.number_ops DEFAULT FOR TYPE util.number USING btree AS
    OPERATOR 1 util.<, OPERATOR 2 util.<=, OPERATOR 3 util.=, OPERATOR 4 util.>=, OPERATOR 5 util.>, FUNCTION 1 util.number_cmp(util.number, util.number);
CREATE FUNCTION util.to_number(bigint) RETURNS util.number LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RETURN $1::text::util.number; END $$;
CREATE CAST (bigint AS util.number) WITH FUNCTION util.to_number(bigint);
CREATE TEXT SEARCH DICTIONARY util.plain (TEMPLATE = simple, STOPWORDS = english);
CREATE TEXT SEARCH CONFIGURATION util.words (COPY = simple);
ALTER TEXT SEARCH CONFIGURATION util.words ALTER MAPPING FOR asciiword WITH util.plain;
CREATE ACCESS METHOD pile TYPE TABLE HANDLER heap_tableam_handler;

-- Functions in defaults, checks, generated columns, indexes, triggers and policies.
CREATE SEQUENCE util.shared START 1000;
CREATE FUNCTION util.next_code() RETURNS text LANGUAGE sql AS $$ SELECT 'c' || nextval('util.shared') $$;
CREATE FUNCTION util.positive(int) RETURNS bool LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RETURN $1 > 0; END $$;
CREATE FUNCTION util.twice(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RETURN $1 * 2; END $$;
CREATE FUNCTION util.stamp() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.note := coalesce(NEW.note, 'stamped'); RETURN NEW; END $$;
CREATE FUNCTION util.instead() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
CREATE FUNCTION util.may_see(int) RETURNS bool LANGUAGE plpgsql STABLE AS $$ BEGIN RETURN $1 >= 0; END $$;
CREATE FUNCTION util.ours_handler() RETURNS language_handler LANGUAGE c AS '$libdir/plpgsql', 'plpgsql_call_handler';
CREATE LANGUAGE ours HANDLER util.ours_handler;
CREATE FUNCTION util.in_ours(int) RETURNS bool LANGUAGE ours IMMUTABLE AS $$ BEGIN RETURN $1 > 0; END $$;
CREATE AGGREGATE util.product(int) (SFUNC = int4mul, STYPE = int, INITCOND = '1');
CREATE TABLE core.lookup (id int PRIMARY KEY, word text NOT NULL);
INSERT INTO core.lookup SELECT n, 'word ' || n FROM generate_series(1, 10) n;
CREATE FUNCTION util.word(int) RETURNS text LANGUAGE sql STABLE BEGIN ATOMIC SELECT word FROM core.lookup WHERE id = $1; END;
CREATE FUNCTION util.of_row(core.lookup) RETURNS text LANGUAGE sql IMMUTABLE RETURN $1.word;

CREATE TABLE core.customer (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    code text DEFAULT util.next_code(),
    state core.state DEFAULT 'new' NOT NULL,
    live util.live,
    opened util.opened DEFAULT 'open',
    home util.address,
    mail ext.citext UNIQUE,
    name text COLLATE util.byte,
    amount int CHECK (util.positive(amount)),
    double int GENERATED ALWAYS AS (util.twice(amount)) STORED,
    word text DEFAULT util.word(1),
    reach util.span,
    marks ext.hstore,
    note text);
INSERT INTO core.customer (state, live, home, mail, name, amount, reach, marks)
    SELECT (enum_range(NULL::core.state))[1 + n % 3], 'open', ROW('street ' || n, 'new'::util.live, 'x@y'::ext.citext)::util.address, 'm' || n, 'name ' || n, n, util.span(n, n + 1), 'a=>1'
    FROM generate_series(1, 50) n;
CREATE INDEX ON core.customer (util.twice(amount));
CREATE INDEX ON core.customer USING gin (marks);
CREATE INDEX ON core.customer USING gin (name ext.gin_trgm_ops);
CREATE INDEX ON core.customer USING gin (to_tsvector('util.words', note));
CREATE STATISTICS core.customer_stats (mcv) ON state, live FROM core.customer;
CREATE TRIGGER stamp BEFORE INSERT OR UPDATE ON core.customer FOR EACH ROW WHEN (NEW.amount > 10) EXECUTE FUNCTION util.stamp();
CREATE CONSTRAINT TRIGGER late AFTER INSERT ON core.customer DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION util.instead();
COMMENT ON TRIGGER stamp ON core.customer IS 'stamps';
COMMENT ON COLUMN core.customer.code IS 'counted';
COMMENT ON CONSTRAINT customer_mail_key ON core.customer IS 'once';
COMMENT ON INDEX core.customer_twice_idx IS 'of twice';
COMMENT ON STATISTICS core.customer_stats IS 'both';
GRANT SELECT (id, code) ON core.customer TO PUBLIC;
GRANT INSERT ON core.customer TO PUBLIC;
ALTER TABLE core.customer REPLICA IDENTITY USING INDEX customer_pkey;
ALTER TABLE core.customer ENABLE ROW LEVEL SECURITY;
CREATE POLICY seen ON core.customer USING (util.may_see(amount));
CREATE POLICY listed ON core.customer FOR DELETE USING (EXISTS (SELECT FROM core.lookup l WHERE l.id = amount));
COMMENT ON POLICY seen ON core.customer IS 'of the function';
ALTER TABLE core.customer CLUSTER ON customer_pkey;

CREATE TABLE core.counted (id int DEFAULT nextval('util.shared') PRIMARY KEY, plain serial, n util.number UNIQUE, cast_n util.number DEFAULT 7::bigint::util.number);
INSERT INTO core.counted (n) SELECT n::text::util.number FROM generate_series(1, 9) n;
CREATE TABLE core.other_user (id int DEFAULT nextval('core.counted_plain_seq'), whole core.counted);
INSERT INTO core.other_user (whole) SELECT c FROM core.counted c;
CREATE TABLE core.piled (id int PRIMARY KEY, v text) USING pile;
INSERT INTO core.piled VALUES (1, 'x');
CREATE TABLE core.booking (room int, during tstzrange, EXCLUDE USING gist (room WITH =, during WITH &&));
INSERT INTO core.booking VALUES (1, '[2024-01-01,2024-01-02)');
CREATE TABLE core.typed OF util.address (street PRIMARY KEY);
INSERT INTO core.typed VALUES ('s', 'new', 'x@y');
CREATE TABLE core.checked (id int CHECK (util.in_ours(id)), note text CONSTRAINT "quoted ""name""" CHECK (note <> ''));
ALTER TABLE core.checked ADD CONSTRAINT later CHECK (util.positive(id)) NOT VALID;
INSERT INTO core.checked VALUES (1, 'x');
CREATE TABLE core."a" (id int PRIMARY KEY);
CREATE TABLE core."a b" (id int PRIMARY KEY REFERENCES core.a, CONSTRAINT "c" UNIQUE (id));
ALTER TABLE core."a" ADD CONSTRAINT "b c" FOREIGN KEY (id) REFERENCES core."a b" DEFERRABLE INITIALLY DEFERRED;
CREATE TABLE core."new
line" (id serial PRIMARY KEY, "REFERENCES core.a" int REFERENCES core."new
line");
INSERT INTO core."new
line" VALUES (DEFAULT, NULL), (DEFAULT, 1);

-- Partitions of partitions.
CREATE TABLE core.sale (id int GENERATED BY DEFAULT AS IDENTITY, day date NOT NULL, region text NOT NULL, state util.live DEFAULT 'new',
    customer bigint REFERENCES core.customer, note text, PRIMARY KEY (id, day, region)) PARTITION BY RANGE (day);
CREATE TABLE core.sale_2023 PARTITION OF core.sale FOR VALUES FROM ('2023-01-01') TO ('2024-01-01');
CREATE TABLE core.sale_2024 PARTITION OF core.sale FOR VALUES FROM ('2024-01-01') TO ('2025-01-01') PARTITION BY LIST (region);
CREATE TABLE core.sale_2024_n PARTITION OF core.sale_2024 FOR VALUES IN ('north');
CREATE TABLE "Odd schema"."sale_2024 rest" PARTITION OF core.sale_2024 DEFAULT;
CREATE INDEX sale_state ON core.sale (state);
CREATE INDEX only_2023 ON core.sale_2023 (note);
CREATE TRIGGER stamp BEFORE INSERT ON core.sale FOR EACH ROW EXECUTE FUNCTION util.stamp();
ALTER TABLE core.sale_2023 DISABLE TRIGGER stamp;
INSERT INTO core.sale (day, region, customer) SELECT date '2023-06-01' + n * 20, (ARRAY['north', 'south'])[1 + n % 2], 1 + n FROM generate_series(1, 25) n;
CREATE TABLE core.sale_note (id int, day date, region text, text text, FOREIGN KEY (id, day, region) REFERENCES core.sale);
INSERT INTO core.sale_note SELECT id, day, region, 'noted' FROM core.sale LIMIT 5;

-- Inheritance.
CREATE TABLE core.parent (id int DEFAULT util.twice(4), note text CONSTRAINT short CHECK (length(note) < 100));
CREATE TABLE util.mixin (seen bool DEFAULT true);
CREATE TABLE core.child (extra util.opened) INHERITS (core.parent, util.mixin);
CREATE TABLE core.grandchild (deep int) INHERITS (core.child);
ALTER TABLE core.child ALTER id SET DEFAULT 5;
INSERT INTO core.parent VALUES (1, 'p');
INSERT INTO core.child VALUES (2, 'c', true, 'open');
INSERT INTO core.grandchild VALUES (3, 'g', true, 'open', 4);

-- Views upon views, one that pg_dump has to make in two steps, and materialized ones.
CREATE VIEW core.v1 AS SELECT c.id, c.state, util.word(c.amount) AS word FROM core.customer c;
CREATE VIEW "Odd schema".v2 WITH (security_barrier) AS SELECT v.id, s.day, s.region FROM core.v1 v JOIN core.sale s ON s.customer = v.id;
CREATE VIEW core.v3 AS SELECT region, count(*) AS n FROM "Odd schema".v2 GROUP BY region;
CREATE VIEW core.grouped AS SELECT l.id, l.word, count(*) AS n FROM core.lookup l GROUP BY l.id;
CREATE VIEW core.circular AS SELECT 1 AS one;
CREATE FUNCTION util.on_view(core.circular) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 1';
CREATE OR REPLACE VIEW core.circular AS SELECT 1 AS one WHERE util.on_view(NULL::core.circular) = 1;
CREATE MATERIALIZED VIEW core.m1 AS SELECT region, n FROM core.v3;
CREATE UNIQUE INDEX ON core.m1 (region);
CREATE MATERIALIZED VIEW util.m2 AS SELECT sum(n) AS total FROM core.m1;
CREATE MATERIALIZED VIEW core.m_grouped AS SELECT l.id, l.word FROM core.lookup l GROUP BY l.id;
CREATE INDEX ON core.m_grouped (word);
CREATE TRIGGER instead INSTEAD OF INSERT ON core.v1 FOR EACH ROW EXECUTE FUNCTION util.instead();
ALTER VIEW core.v1 ALTER COLUMN word SET DEFAULT 'none';
GRANT SELECT ON core.v3 TO PUBLIC;
COMMENT ON VIEW core.v1 IS 'first';
CREATE TABLE core.audit (at timestamptz DEFAULT '2024-01-01 00:00:00+00', what text);
CREATE RULE noted AS ON UPDATE TO core.parent DO ALSO INSERT INTO core.audit (what) VALUES ('parent ' || NEW.id);
CREATE RULE kept AS ON DELETE TO core.audit DO INSTEAD NOTHING;
COMMENT ON RULE noted ON core.parent IS 'kept in audit';
CREATE TABLE core.of_view (v core.v1, w core.circular, r core.parent, s core.sale[]);
INSERT INTO core.of_view (r) SELECT p FROM ONLY core.parent p;

-- Foreign data, publications, what belongs to nothing.
CREATE SERVER "far away" FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '192.0.2.1');
CREATE USER MAPPING FOR PUBLIC SERVER "far away" OPTIONS (user 'anybody');
GRANT USAGE ON FOREIGN SERVER "far away" TO PUBLIC;
CREATE FOREIGN TABLE core.remote (id int, state core.state DEFAULT 'new') SERVER "far away" OPTIONS (table_name 'x');
CREATE PUBLICATION "some of it" FOR TABLE core.customer (id) WHERE (id > 5), TABLE core.lookup;
CREATE PUBLICATION by_schema FOR TABLES IN SCHEMA core;
CREATE FUNCTION util.on_ddl() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
CREATE EVENT TRIGGER on_ddl ON ddl_command_end EXECUTE FUNCTION util.on_ddl();
SELECT lo_from_bytea(70001, 'large');

-- A ring of foreign keys: each of the tables refers to the next ones, has a policy on
-- another, a default and a check of a function, a trigger, and a view on two of them.
DO $$
DECLARE
    n int;
    k CONSTANT int := 30;
BEGIN
    FOR n IN 0 .. k - 1 LOOP
        EXECUTE format('CREATE TABLE core.ring_%s (id int PRIMARY KEY, next int, back int, state util.live DEFAULT %L, amount int DEFAULT util.twice(%s) CHECK (util.positive(amount)), note text)', n, 'new', n + 1);
    END LOOP;
    FOR n IN 0 .. k - 1 LOOP
        EXECUTE format('INSERT INTO core.ring_%s (id, next, back) SELECT i, i, i FROM generate_series(1, %s) i', n, 20);
    END LOOP;
    FOR n IN 0 .. k - 1 LOOP
        EXECUTE format('ALTER TABLE core.ring_%s ADD FOREIGN KEY (next) REFERENCES core.ring_%s, ADD FOREIGN KEY (back) REFERENCES core.ring_%s DEFERRABLE', n, (n + 1) % k, (n + k - 3) % k);
        EXECUTE format('CREATE TRIGGER stamp BEFORE UPDATE OF note ON core.ring_%s FOR EACH ROW EXECUTE FUNCTION util.stamp()', n);
        EXECUTE format('CREATE INDEX ON core.ring_%s (util.twice(amount)) WHERE note IS NOT NULL', n);
        EXECUTE format('CREATE VIEW core.ring_view_%s AS SELECT a.id, b.state FROM core.ring_%s a JOIN core.ring_%s b ON b.id = a.next', n, n, (n + 1) % k);
        IF n % 5 = 0 THEN
            EXECUTE format('ALTER TABLE core.ring_%s ENABLE ROW LEVEL SECURITY', n);
            EXECUTE format('CREATE POLICY p ON core.ring_%s USING (EXISTS (SELECT FROM core.ring_view_%s v WHERE v.id = ring_%s.id))', n, n, n);
        END IF;
    END LOOP;
END $$;
ANALYZE;
