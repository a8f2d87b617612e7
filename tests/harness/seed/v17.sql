-- What 17 and later have.
SET ROLE seed_owner;
SET search_path TO app, public, ext;
CREATE COLLATION built_in (provider = builtin, locale = 'C.UTF-8');
CREATE TABLE split (id bigint GENERATED ALWAYS AS IDENTITY, day date NOT NULL, EXCLUDE USING gist (id WITH =, day WITH =))
    PARTITION BY RANGE (day);
CREATE TABLE split_1 PARTITION OF split FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
INSERT INTO split (day) SELECT date '2024-03-01' + n FROM generate_series(1, 20) n;
GRANT MAINTAIN ON split TO seed_other;
RESET ROLE;
