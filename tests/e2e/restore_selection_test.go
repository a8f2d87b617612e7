package e2e

import (
	"strings"
	"testing"

	"github.com/PlakarKorp/integration-postgresql/tests/harness"
)

// selectionSQL is a database whose tables need what is elsewhere.
const selectionSQL = `
CREATE ROLE keeper; CREATE ROLE reader;
CREATE SCHEMA app AUTHORIZATION keeper; COMMENT ON SCHEMA app IS 'it''s \ kept';
GRANT USAGE ON SCHEMA app TO reader;
ALTER DEFAULT PRIVILEGES IN SCHEMA app GRANT SELECT ON TABLES TO reader;
CREATE TYPE state AS ENUM ('new', 'open');
CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.note := upper(NEW.note); RETURN NEW; END';
CREATE TABLE customer (id int PRIMARY KEY); INSERT INTO customer VALUES (1);
CREATE TABLE orders (id serial PRIMARY KEY, customer int CONSTRAINT of_customer REFERENCES customer, state state DEFAULT 'new', note text);
INSERT INTO orders (customer, note) SELECT 1, 'n' FROM generate_series(1, 100);
CREATE INDEX by_note ON orders (note); CREATE TRIGGER stamp BEFORE UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION stamp();
ALTER TABLE orders ENABLE ROW LEVEL SECURITY; CREATE POLICY seen ON orders TO reader USING (id > 1);
COMMENT ON TABLE orders IS 'ordered'; GRANT SELECT ON orders TO reader; ALTER TABLE orders REPLICA IDENTITY FULL;
CREATE STATISTICS together ON customer, note FROM orders;
CREATE PUBLICATION published FOR TABLE orders;
CREATE TABLE sale (day int, note text) PARTITION BY RANGE (day);
CREATE TABLE sale1 PARTITION OF sale FOR VALUES FROM (0) TO (10); CREATE TABLE app.sale2 PARTITION OF sale FOR VALUES FROM (10) TO (20);
INSERT INTO sale VALUES (1, 'a'), (11, 'b');
CREATE VIEW open_orders AS SELECT * FROM orders WHERE state = 'open';
CREATE TABLE app.plain (id serial PRIMARY KEY, note text); INSERT INTO app.plain (note) VALUES ('kept');
CREATE TABLE app.ours (customer int CONSTRAINT of_ours REFERENCES public.customer); INSERT INTO app.ours VALUES (1);
CREATE TABLE app.parted (id int PRIMARY KEY) PARTITION BY RANGE (id); CREATE TABLE app.to_parted (id int CONSTRAINT of_parted REFERENCES app.parted);
CREATE FUNCTION app.all_plain() RETURNS SETOF app.plain LANGUAGE sql AS 'SELECT * FROM app.plain';
CREATE FUNCTION app.note_of(app.plain) RETURNS text LANGUAGE sql AS 'SELECT ($1).note';
SELECT lo_from_bytea(0, '\x12')`

// whatBelongs describes what belongs to the table orders.
const whatBelongs = `SELECT concat_ws(' ', (SELECT count(*) FROM orders), (SELECT string_agg(indexrelid::regclass::text, ',' ORDER BY indexrelid::regclass::text) FROM pg_index WHERE indrelid = 'orders'::regclass),
	(SELECT string_agg(tgname, ',') FROM pg_trigger WHERE tgrelid = 'orders'::regclass AND NOT tgisinternal), (SELECT string_agg(polname, ',') FROM pg_policy),
	obj_description('orders'::regclass), has_table_privilege('reader', 'orders', 'SELECT'), (SELECT relreplident FROM pg_class WHERE oid = 'orders'::regclass),
	(SELECT stxname FROM pg_statistic_ext), nextval('orders_id_seq'), (SELECT string_agg(conname, ',') FROM pg_constraint WHERE conrelid = 'orders'::regclass AND contype <> 'n'))`

func newSelectable(t *testing.T, options ...string) source {
	t.Helper()
	s := source{server: harness.Start(t, harness.Conf("wal_level = logical")), plakar: harness.NewPlakar(t)}
	s.server.Exec(t, "postgres", "CREATE DATABASE shop")
	s.server.Exec(t, "shop", selectionSQL)
	s.plakar.SourceAdd("mypg", s.server.URL("shop"), append(options, s.server.BinDirOption())...)
	s.snapshot = s.plakar.MustBackup("@mypg")
	return s
}

// A table comes with what belongs to it and what it needs, out of a dump in one file and of
// one in several.
func TestRestoreSelection(t *testing.T) {
	t.Parallel()
	harness.LowestAndHighestMajorOnly(t, "what pg_dump writes of them is tried with each version in TestSelectEachTable")
	for layout, options := range map[string][]string{"single": nil, "tables": inParts} {
		t.Run(layout, func(t *testing.T) {
			s := newSelectable(t, options...)
			dst, restore := s.destination(t)

			result := restore("", "databases=shop", "database=c1", "tables=orders")
			ok(t, result)
			for _, want := range []string{"TYPE public.state", "FUNCTION public.stamp()", "of_customer", "TABLE public.customer", "published", "large objects"} {
				if !strings.Contains(result.Output(), want) {
					t.Errorf("the restore does not say %q:\n%s", want, result.Output())
				}
			}
			query(t, dst, "c1", whatBelongs, "100 by_note,orders_pkey stamp seen ordered t f together 101 orders_pkey")
			query(t, dst, "c1", "SELECT to_regclass('customer') IS NULL AND to_regnamespace('app') IS NULL", "t")

			// What is there is not touched, unless it is to be.
			failed(t, restore("", "database=c1", "tables=orders,customer"), "has already", "TABLE public.orders", "nothing was touched", "hint:")
			query(t, dst, "c1", "SELECT to_regclass('customer') IS NULL", "t")
			dst.Exec(t, "c1", "DELETE FROM orders")
			ok(t, restore("", "database=c1", "tables=customer", "jobs=2"))
			failed(t, restore("", "database=c1", "tables=orders,sale", "data_only=true"), "lacks TABLE app.sale2, TABLE public.sale, TABLE public.sale1: nothing was touched")
			query(t, dst, "c1", "SELECT count(*) FROM orders", "0")
			ok(t, restore("", "database=c1", "tables=orders", "data_only=true"))
			query(t, dst, "c1", "SELECT count(*) FROM orders", "100")
			if layout == "single" {
				dst.Exec(t, "c1", `CREATE VIEW theirs AS SELECT note FROM orders; CREATE TABLE theirs2 (o int CONSTRAINT of_orders REFERENCES orders);
					CREATE TABLE theirs3 (id int DEFAULT nextval('orders_id_seq')); CREATE RULE log AS ON DELETE TO theirs3 DO ALSO DELETE FROM orders; UPDATE orders SET note = 'today'`)
				failed(t, restore("", "database=c1", "tables=orders", "clean=true"), "cannot drop TABLE public.orders", "view public.theirs: ", "constraint of_orders on table public.theirs2",
					"default value for column id of table public.theirs3", "rule log on table public.theirs3", "nothing was touched")
				query(t, dst, "c1", whatBelongs, "100 by_note,orders_pkey stamp seen ordered t f together 101 orders_pkey")
				dst.Exec(t, "c1", "DROP VIEW theirs; DROP TABLE theirs2, theirs3; CREATE VIEW public.open_orders AS SELECT * FROM orders")
				ok(t, restore("", "database=c1", "tables=orders,open_orders", "clean=true"))
				// What is chosen itself is no obstacle: of a schema also functions of its tables' types.
				ok(t, restore("", "database=cleaned", "schemas=app"))
				ok(t, restore("", "database=cleaned", "schemas=app", "clean=true"))
				query(t, dst, "cleaned", "SELECT (SELECT count(*) FROM app.plain), (SELECT count(*) FROM app.all_plain())", "1|1")
				query(t, dst, "c1", "SELECT count(*) FROM pg_constraint WHERE conname = 'of_customer'", "1")
				query(t, dst, "c1", "SELECT count(*) FROM orders WHERE note <> 'n'", "0")
			}

			// Partitions with their rows; the schema of one of them with it.
			ok(t, restore("", "database=c2", "tables=public.sal?", "jobs=2"))
			query(t, dst, "c2", "SELECT string_agg(note, ',' ORDER BY day) FROM sale", "a,b")

			// A table that is only needed has no rows.
			result = restore("", "database=c3", "tables=open_orders")
			ok(t, result)
			query(t, dst, "c3", "SELECT count(*) FROM open_orders", "0")
			if !strings.Contains(result.Output(), "without rows: ") || !strings.Contains(result.Output(), "TABLE public.orders") {
				t.Errorf("nothing of the table of the view:\n%s", result.Output())
			}

			// A schema with what it is.
			result = restore("", "database=c4", "schemas=app")
			ok(t, result)
			query(t, dst, "c4", `SELECT nspowner::regrole, has_schema_privilege('reader', 'app', 'USAGE'), obj_description(oid, 'pg_namespace'),
				(SELECT count(*) FROM pg_default_acl WHERE defaclnamespace = n.oid), (SELECT count(*) FROM app.plain) FROM pg_namespace n WHERE nspname = 'app'`, `keeper|t|it's \ kept|1|1`)
			if !strings.Contains(result.Output(), "of_ours") {
				t.Errorf("the foreign key is not named:\n%s", result.Output())
			}

			for _, options := range [][]string{{"tables=orders,nosuch"}, {"schemas=nosuch"}, {"schemas=app", "tables=plain,nosuch"}, {"schemas=nosuch", "tables=app.plain"}, {"schemas=app,nosuch", "tables=plain"}} {
				failed(t, restore("", append(options, "database=c5")...), `"nosuch"`, "nothing was touched")
				query(t, dst, "postgres", exists("c5"), "0")
			}
			if err := s.plakar.LeftBehind(); err != nil {
				t.Error(err)
			}
		})
	}
}

// What a backup of a part holds goes into an empty server.
func TestRestoreSelectiveBackup(t *testing.T) {
	t.Parallel()
	harness.LowestAndHighestMajorOnly(t, "what pg_dump writes of them is tried with each version in TestSelectEachTable")
	s := newSelectable(t)
	for name, c := range map[string]struct {
		backup, says []string
		query, want  string
	}{
		"tables": {[]string{"tables=app.plain"}, nil, `SELECT note, nspowner::regrole, has_schema_privilege('reader', 'app', 'USAGE'), has_schema_privilege('reader', 'app', 'CREATE'),
			obj_description(n.oid, 'pg_namespace') FROM app.plain, pg_namespace n WHERE nspname = 'app'`, `kept|keeper|t|f|it's \ kept`},
		"public":      {[]string{"schemas=public"}, nil, "SELECT count(*) FROM orders", "100"},
		"schema":      {[]string{"schemas=app"}, []string{"of_ours", "sale2"}, "SELECT (SELECT count(*) FROM app.ours) + (SELECT count(*) FROM app.sale2)", "2"},
		"foreign key": {[]string{"tables=app.ours"}, []string{"of_ours", "TABLE public.customer"}, "SELECT count(*) FROM app.ours", "1"},
		"rows": {[]string{"exclude_table_data=customer"}, []string{"of_ours", "of_customer", "rows in TABLE public.customer"},
			"SELECT (SELECT count(*) FROM orders) + (SELECT count(*) FROM app.ours), (SELECT count(*) FROM customer), (SELECT count(*) FROM pg_constraint WHERE contype = 'f')", "101|0|1"},
	} {
		t.Run(name, func(t *testing.T) {
			s := s
			s.snapshot = s.plakar.MustBackup("@mypg", flags(c.backup)...)
			for _, options := range [][]string{{"exit_on_error=true"}, {"database=other", "jobs=2"}} {
				dst, restore := s.destination(t)
				result := restore("", options...)
				ok(t, result)
				for _, want := range c.says {
					if !strings.Contains(result.Output(), want) {
						t.Errorf("the restore does not say %q:\n%s", want, result.Output())
					}
				}
				db := "shop"
				if len(options) > 1 {
					db = "other"
				}
				query(t, dst, db, c.query, c.want)
			}
		})
	}
	// No provider of labels is there: what the server says tells that the label came along.
	s.server.Exec(t, "shop", "INSERT INTO pg_seclabel SELECT oid, 'pg_class'::regclass, 0, 'ours', 'secret' FROM pg_class WHERE relname IN ('orders', 'customer')")
	s.snapshot = s.plakar.MustBackup("@mypg")
	_, restore := s.destination(t)
	result := restore("", "tables=orders")
	failed(t, result, `security label provider "ours" is not loaded`, "ON TABLE public.orders")
	if strings.Contains(result.Message(), "ON TABLE public.customer") {
		t.Errorf("the label of another table:\n%s", result.Output())
	}
}
