package manifest_test

import (
	"strings"
	"testing"
	"time"

	"github.com/PlakarKorp/integration-postgresql/manifest"
)

const rich = `
CREATE ROLE "Öwner" LOGIN CONNECTION LIMIT 7 PASSWORD 'hush-role' VALID UNTIL '2031-05-06 07:08:09+00';
CREATE ROLE grp NOLOGIN CREATEDB NOINHERIT VALID UNTIL 'infinity';
GRANT grp, pg_monitor TO "Öwner";
CREATE SCHEMA "we ird" AUTHORIZATION "Öwner";
CREATE EXTENSION file_fdw SCHEMA "we ird";
CREATE SERVER srv FOREIGN DATA WRAPPER file_fdw;
CREATE USER MAPPING FOR postgres SERVER srv;
CREATE TYPE "we ird".mood AS ENUM ('sad', 'ok');
CREATE TABLE customers (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	dropped int,
	email varchar(80) NOT NULL,
	mood "we ird".mood DEFAULT 'ok',
	len int GENERATED ALWAYS AS (length(email)) STORED,
	CONSTRAINT email_once UNIQUE (email, mood),
	CONSTRAINT has_at CHECK (email LIKE '%@%')
) WITH (fillfactor = 70);
ALTER TABLE customers DROP COLUMN dropped;
ALTER TABLE customers OWNER TO "Öwner";
ALTER TABLE customers ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE INDEX partial ON customers USING hash (email) WHERE mood = 'ok';
CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER trg BEFORE INSERT ON customers FOR EACH ROW EXECUTE FUNCTION f();
INSERT INTO customers (email) SELECT n || '@x' FROM generate_series(1, 1000) n;
CREATE TABLE "we ird"."or""ders" (
	id int, customer bigint, at date
);
ALTER TABLE "we ird"."or""ders" ADD CONSTRAINT to_customer FOREIGN KEY (customer) REFERENCES customers NOT VALID;
CREATE TABLE m (at date NOT NULL, v int) PARTITION BY RANGE (at);
CREATE TABLE m1 PARTITION OF m FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
CREATE UNLOGGED TABLE u ();
CREATE VIEW v WITH (security_barrier = true) AS SELECT id FROM customers;
CREATE MATERIALIZED VIEW mv AS SELECT id FROM customers;
CREATE UNIQUE INDEX mvi ON mv (id);
CREATE SEQUENCE seq;
CREATE FOREIGN TABLE ft (a text) SERVER srv OPTIONS (filename '/hush-file');
CREATE TEMPORARY TABLE temp_one (a int);
VACUUM ANALYZE customers;`

func richDatabase(t *testing.T, s *testServer) {
	t.Helper()
	s.database(t, "rich", "")
	for statement := range strings.SplitSeq(rich, ";\n") {
		s.Exec(t, "rich", strings.TrimSuffix(statement, ";"))
	}
	t.Cleanup(func() {
		s.Exec(t, "postgres", `DROP DATABASE rich`)
		s.Exec(t, "postgres", `DROP ROLE "Öwner"; DROP ROLE grp`)
	})
}

func TestRichDatabase(t *testing.T) {
	s := start(t)
	richDatabase(t, s)
	r := request("rich")
	r.Files = []manifest.File{{Path: "/00001-rich.dump", Database: "rich"}}
	r.Warnings = []string{"known before"}
	ended := r.CreatedAt.Add(time.Hour)
	r.Base = &manifest.Base{StartLSN: "0/2000028", EndLSN: "0/2000100", Timeline: 1, EndTime: &ended}
	doc, text := collect(t, connector{s, "postgres"}, r)

	same(t, "base", doc.Base, `{"start_lsn":"0/2000028","end_lsn":"0/2000100","timeline":1,"end_time":"2026-01-02T04:04:05Z"}`)
	if len(doc.Warnings) != 1 {
		t.Errorf("warnings: %s", asJSON(doc.Warnings))
	}
	warned(t, doc, "backup", "", "known before")
	if strings.Contains(text, "hush") {
		t.Error("the document holds a secret")
	}
	header(t, doc, s)
	roles(t, doc)

	d := database(t, doc, "rich")
	if value(d.Encoding) != "UTF8" || value(d.LocaleProvider) != "libc" || value(d.SizeBytes) < 1<<20 ||
		value(d.ConnectionLimit) != -1 || !value(d.AllowConn) || value(d.IsTemplate) {
		t.Errorf("database: %s", asJSON(d.DatabaseInfo))
	}
	same(t, "schemas", d.Schemas, `[{"name":"public","owner":"`+publicOwner(s)+`"},{"name":"we ird","owner":"Öwner"}]`)
	if ext := d.Extensions; len(ext) != 2 || ext[0].Name != "file_fdw" || value(ext[0].Schema) != "we ird" {
		t.Errorf("extensions: %s", asJSON(ext))
	}
	var names []string
	for _, rel := range d.Relations {
		names = append(names, rel.Schema+"."+rel.Name+":"+rel.Kind)
	}
	same(t, "relations", names, `["public.customers:table","public.customers_id_seq:sequence","public.ft:foreign_table",`+
		`"public.m:partitioned_table","public.m1:table","public.mv:materialized_view","public.seq:sequence",`+
		`"public.u:table","public.v:view","we ird.or\"ders:table"]`)
	if other := database(t, doc, "template0"); other.Relations != nil || other.Schemas != nil || value(other.AllowConn) {
		t.Errorf("template0: %s", asJSON(other))
	}
}

func publicOwner(s *testServer) string {
	if s.Major < 15 {
		return "postgres"
	}
	return "pg_database_owner"
}

func header(t *testing.T, doc *manifest.Document, s *testServer) {
	t.Helper()
	same(t, "options", doc.Options, `{"compress":false,"jobs":2}`)
	same(t, "files", doc.Files, `[{"path":"/00001-rich.dump","database":"rich"}]`)
	if value(doc.ServerVersionNum)/10000 != s.Major || value(doc.ClusterSystemIdentifier) == "" ||
		doc.InRecovery == nil || *doc.InRecovery || doc.Database != nil {
		t.Errorf("head: %s", asJSON(doc))
	}
	c := doc.ClusterConfig
	if value(c.DataDirectory) != s.DataDir || value(c.BlockSize) != 8192 || value(c.WALBlockSize) != 8192 ||
		value(c.MaxConnections) != 40 || value(c.WALLevel) != "replica" || value(c.ServerEncoding) != "UTF8" ||
		value(c.LCCollate) != "C" || c.DataChecksums == nil || c.SharedPreloadLibraries == nil ||
		value(c.ArchiveMode) != "off" || !value(c.ArchiveCommandSet) || value(c.Timezone) == "" {
		t.Errorf("cluster_config: %s", asJSON(c))
	}
	if len(doc.Tablespaces) != 2 || doc.Tablespaces[0].Name != "pg_default" || doc.Tablespaces[0].OID != 1663 {
		t.Errorf("tablespaces: %s", asJSON(doc.Tablespaces))
	}
}

func roles(t *testing.T, doc *manifest.Document) {
	t.Helper()
	owner := find(t, "role", doc.Roles, func(r manifest.Role) bool { return r.Name == "Öwner" })
	same(t, "role", owner, `{"name":"Öwner","superuser":false,"replication":false,"can_login":true,"create_db":false,`+
		`"create_role":false,"inherit":true,"bypass_rls":false,"connection_limit":7,`+
		`"valid_until":"2031-05-06T07:08:09+00:00","member_of":["grp","pg_monitor"]}`)
	grp := find(t, "role", doc.Roles, func(r manifest.Role) bool { return r.Name == "grp" })
	if value(grp.ValidUntil) != "infinity" || grp.Inherit || !grp.CreateDB || grp.CanLogin {
		t.Errorf("role: %s", asJSON(grp))
	}
}

func TestRelations(t *testing.T) {
	s := start(t)
	richDatabase(t, s)
	doc, _ := collect(t, connector{s, "postgres"}, request("rich"))
	d := database(t, doc, "rich")

	c := relation(t, d, "public", "customers")
	same(t, "columns", c.Columns, `[`+
		`{"position":1,"name":"id","type":"bigint","nullable":false,"default":null,"identity":"always","generated":null},`+
		`{"position":3,"name":"email","type":"character varying(80)","nullable":false,"default":null,"identity":null,"generated":null},`+
		`{"position":4,"name":"mood","type":"\"we ird\".mood","nullable":true,"default":"'ok'::\"we ird\".mood","identity":null,"generated":null},`+
		`{"position":5,"name":"len","type":"integer","nullable":true,"default":"length((email)::text)","identity":null,"generated":"stored"}]`)
	same(t, "indexes", c.Indexes, `[`+
		`{"name":"customers_pkey","method":"btree","definition":"CREATE UNIQUE INDEX customers_pkey ON public.customers USING btree (id)",`+
		`"is_unique":true,"is_primary":true,"is_valid":true,"is_partial":false,"constraint_name":"customers_pkey"},`+
		`{"name":"email_once","method":"btree","definition":"CREATE UNIQUE INDEX email_once ON public.customers USING btree (email, mood)",`+
		`"is_unique":true,"is_primary":false,"is_valid":true,"is_partial":false,"constraint_name":"email_once"},`+
		`{"name":"partial","method":"hash","definition":"CREATE INDEX partial ON public.customers USING hash (email) WHERE (mood = 'ok'::\"we ird\".mood)",`+
		`"is_unique":false,"is_primary":false,"is_valid":true,"is_partial":true,"constraint_name":null}]`)
	var constraints []manifest.Constraint
	for _, k := range c.Constraints {
		if k.Type != "not_null" {
			constraints = append(constraints, k)
		}
	}
	same(t, "constraints", constraints, `[`+
		`{"name":"customers_pkey","type":"primary_key","columns":["id"],"references":null,"is_validated":true},`+
		`{"name":"email_once","type":"unique","columns":["email","mood"],"references":null,"is_validated":true},`+
		`{"name":"has_at","type":"check","columns":["email"],"references":null,"is_validated":true}]`)
	if c.Owner != "Öwner" || !c.HasPrimaryKey || !c.HasTriggers || !c.RLSEnabled || !c.RLSForced || c.ColumnCount != 4 ||
		value(c.RowEstimate) != 1000 || c.LiveRowEstimate == nil || value(c.SizeBytes) < 8192*4 ||
		c.LastVacuum == nil || c.LastAnalyze == nil || asJSON(c.StorageOptions) != `["fillfactor=70"]` {
		t.Errorf("customers: %s", asJSON(c))
	}

	orders := relation(t, d, "we ird", `or"ders`)
	same(t, "foreign key", orders.Constraints, `[{"name":"to_customer","type":"foreign_key","columns":["customer"],`+
		`"references":"public.customers","is_validated":false}]`)
	if orders.HasTriggers || orders.HasPrimaryKey || s.Major >= 14 && orders.RowEstimate != nil || orders.LastVacuum != nil {
		t.Errorf("orders: %s", asJSON(orders))
	}
	if m := relation(t, d, "public", "m"); value(m.PartitionStrategy) != "range" || m.IsPartition || value(m.SizeBytes) != 0 {
		t.Errorf("m: %s", asJSON(m))
	}
	if m1 := relation(t, d, "public", "m1"); !m1.IsPartition || value(m1.PartitionParent) != "public.m" || m1.PartitionStrategy != nil {
		t.Errorf("m1: %s", asJSON(m1))
	}
	if u := relation(t, d, "public", "u"); u.Persistence != "unlogged" || u.ColumnCount != 0 || u.Columns == nil {
		t.Errorf("u: %s", asJSON(u))
	}
	if v := relation(t, d, "public", "v"); asJSON(v.StorageOptions) != `["security_barrier=true"]` || v.RowEstimate != nil {
		t.Errorf("v: %s", asJSON(v))
	}
	if mv := relation(t, d, "public", "mv"); len(mv.Indexes) != 1 || mv.Indexes[0].ConstraintName != nil {
		t.Errorf("mv: %s", asJSON(mv))
	}
	if seq := relation(t, d, "public", "seq"); value(seq.SizeBytes) != 8192 || seq.ColumnCount != 0 {
		t.Errorf("seq: %s", asJSON(seq))
	}
}

// One database selected: nothing of the others, a deterministic document.
func TestSingleDatabase(t *testing.T) {
	s := start(t)
	s.database(t, "only", "")
	r := request("only")
	r.Database, r.Maintenance = "only", "only"
	doc, text := collect(t, connector{s, "postgres"}, r)
	if len(doc.Databases) != 1 || value(doc.Database) != "only" || len(doc.Warnings) != 0 || doc.Databases[0].Relations == nil {
		t.Errorf("document: %s", text)
	}
	if _, again := collect(t, connector{s, "postgres"}, r); again != text {
		t.Error("two documents of the same server differ")
	}
}

func TestDatabasesInOrder(t *testing.T) {
	s := start(t)
	names := []string{"a b", "b/c=d", `c"'%`, "d\n\t\\", "postgres", "postgres://x", strings.Repeat("z", 63)}
	for i, name := range names {
		if name != "postgres" {
			s.database(t, name, "")
		}
		s.Exec(t, name, "CREATE TABLE IF NOT EXISTS t"+string(rune('0'+i))+" ()")
	}
	s.Exec(t, "postgres", "ALTER DATABASE \"a b\" CONNECTION LIMIT 0")
	r := request(names...)
	r.Jobs = 3
	doc, _ := collect(t, connector{s, "postgres"}, r)
	if len(doc.Databases) != len(names)+2 || len(doc.Warnings) != 0 {
		t.Errorf("databases: %s, warnings %s", asJSON(doc.Databases), asJSON(doc.Warnings))
	}
	for i, name := range names {
		d := database(t, doc, name)
		if len(d.Relations) != 1 || d.Relations[0].Name != "t"+string(rune('0'+i)) {
			t.Errorf("%q: %s", name, asJSON(d.Relations))
		}
	}
	noSessions(t, s)
}
