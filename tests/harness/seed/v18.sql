-- What 18 and later have.
SET ROLE seed_owner;
SET search_path TO app, public, ext;
CREATE TABLE virtual (a int, twice int GENERATED ALWAYS AS (a * 2) VIRTUAL, b int);
INSERT INTO virtual (a) SELECT generate_series(1, 10);
ALTER TABLE virtual ADD CONSTRAINT b_later NOT NULL b NOT VALID;
CREATE TABLE period (id int, valid daterange, PRIMARY KEY (id, valid WITHOUT OVERLAPS));
CREATE TABLE detail (id int, valid daterange, FOREIGN KEY (id, PERIOD valid) REFERENCES period (id, PERIOD valid));
INSERT INTO period VALUES (1, '[2024-01-01,2025-01-01)'), (1, '[2025-01-01,2026-01-01)');
RESET ROLE;
