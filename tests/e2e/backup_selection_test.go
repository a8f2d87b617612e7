package e2e

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/PlakarKorp/integration-postgresql/manifest"
	"github.com/PlakarKorp/integration-postgresql/tests/harness"
)

// crossSchemas has objects that need one another across schemas.
const crossSchemas = `
CREATE ROLE keeper;
CREATE SCHEMA app AUTHORIZATION keeper; CREATE SCHEMA other; CREATE SCHEMA neat;
GRANT USAGE ON SCHEMA app TO PUBLIC;
CREATE EXTENSION citext SCHEMA public;
CREATE EXTENSION cube SCHEMA public; CREATE EXTENSION earthdistance SCHEMA public;
CREATE TYPE other.mood AS ENUM ('sad', 'happy');
CREATE DOMAIN other.moods AS other.mood[];
CREATE FUNCTION other.one() RETURNS int LANGUAGE sql RETURN 1;
CREATE TABLE other.customer (id int PRIMARY KEY);
CREATE TABLE app.plain (id serial PRIMARY KEY, note text); INSERT INTO app.plain (note) VALUES ('kept');
CREATE TABLE app.orders (id int PRIMARY KEY DEFAULT other.one(), customer int REFERENCES other.customer, moods other.moods);
CREATE TABLE app.sale (day int, note text) PARTITION BY RANGE (day);
CREATE TABLE app.sale1 PARTITION OF app.sale FOR VALUES FROM (0) TO (10);
CREATE TABLE other.sale2 PARTITION OF app.sale FOR VALUES FROM (10) TO (20);
INSERT INTO app.sale VALUES (1, 'a'), (11, 'b');
CREATE TABLE neat.places (name citext PRIMARY KEY, spot earth); INSERT INTO neat.places VALUES ('Here', ll_to_earth(1, 2));
CREATE VIEW neat.names AS SELECT name FROM neat.places;`

// Selections of a backup bring what they need along, or say what they leave out.
func TestBackupSelection(t *testing.T) {
	t.Parallel()
	src := harness.Start(t)
	src.Exec(t, "postgres", "CREATE DATABASE shop")
	src.Exec(t, "shop", crossSchemas)
	p := harness.NewPlakar(t)
	p.SourceAdd("shop", src.URL("shop"), src.BinDirOption())
	const lacks = "the selection leaves out"
	for name, c := range map[string]struct {
		options     []string
		says        []string // in a warning
		silent      []string // in no warning
		has, hasNot []string // in the list of the archive
	}{
		"schemas": {
			[]string{"schemas=app"},
			[]string{lacks, "table other.customer (for table app.orders)", "type other.moods (for table app.orders)", "function other.one() (for table app.orders)", "type other.mood"},
			[]string{"citext", "app.plain", "sale"}, []string{"TABLE app plain"}, []string{"EXTENSION"},
		},
		"schemas that need extensions": {
			[]string{"schemas=neat"}, nil, []string{lacks}, []string{"EXTENSION - citext", "EXTENSION - cube", "EXTENSION - earthdistance", "TABLE DATA neat places"}, []string{"plpgsql"},
		},
		"tables": {[]string{"tables=app.plain"}, nil, []string{lacks}, []string{"TABLE DATA app plain", "SEQUENCE SET app plain_id_seq"}, []string{"EXTENSION"}},
		"a view": {
			[]string{"tables=neat.names"}, []string{lacks, "table neat.places (for view neat.names)"}, nil, []string{"EXTENSION - citext"}, []string{"TABLE neat places"},
		},
		"a partitioned table": {[]string{"tables=app.sale"}, nil, []string{lacks}, []string{"TABLE DATA app sale1", "TABLE DATA other sale2"}, nil},
		"less a partition":    {[]string{"tables=app.sale", "exclude_tables=other.sale2"}, nil, []string{lacks}, []string{"TABLE DATA app sale1"}, []string{"sale2"}},
		"exclude_schemas":     {[]string{"exclude_schemas=other"}, []string{lacks, "table other.customer (for table app.orders)"}, []string{"matches nothing", "citext"}, []string{"EXTENSION - citext"}, []string{"TABLE other"}},
		"exclude_tables":      {[]string{"exclude_tables=neat.places"}, []string{lacks, "table neat.places (for view neat.names)"}, []string{"app.orders"}, []string{"VIEW neat names"}, nil},
		"nothing to exclude":  {[]string{"exclude_schemas=nosuch,other", `exclude_tables=app.nosuch,plain`}, []string{`option "exclude_schemas": "nosuch" matches nothing`, `option "exclude_tables": "app.nosuch" matches nothing`, `"plain" matches nothing`}, []string{`"other" matches`}, nil, nil},
		"no rows to exclude":  {[]string{`exclude_table_data="app"."plain","app"."Plain"`}, []string{`option "exclude_table_data": "\"app\".\"Plain\"" matches nothing`}, []string{lacks, `\"plain\"" matches`}, nil, nil},
		"rows that keys need": {[]string{"exclude_table_data=other.customer"}, []string{"the selection leaves out rows", "orders_customer_fkey of app.orders (to other.customer)"}, nil, []string{"TABLE other customer", "FK CONSTRAINT app orders"}, []string{"TABLE DATA other customer"}},
		"rows of both":        {[]string{"exclude_table_data=other.customer,app.orders"}, nil, []string{lacks}, nil, nil},
		"data_only":           {[]string{"data_only=true", "schemas=app"}, nil, []string{lacks}, []string{"TABLE DATA app plain"}, []string{"EXTENSION"}},
	} {
		t.Run(name, func(t *testing.T) {
			snapshot, result := p.Backup("@shop", flags(c.options)...)
			ok(t, result)
			var said strings.Builder
			for _, w := range validate(t, p.Cat(snapshot, "/manifest.json")).Warnings {
				said.WriteString(w.Message + "\n")
			}
			for _, want := range c.says {
				if !strings.Contains(said.String(), want) {
					t.Errorf("manifest.json does not say %q:\n%s", want, said.String())
				}
			}
			if len(c.says) > 0 && !strings.Contains(result.Output(), c.says[0][:len("option")]) {
				t.Errorf("the backup does not say %q:\n%s", c.says[0], result.Output())
			}
			for _, unwanted := range c.silent {
				if strings.Contains(said.String(), unwanted) {
					t.Errorf("manifest.json says %q:\n%s", unwanted, said.String())
				}
			}
			paths := p.Ls(snapshot)
			i := slices.IndexFunc(paths, func(path string) bool { return strings.HasSuffix(path, "-shop.dump") })
			list := listArchive(t, src, p.Cat(snapshot, paths[i]))
			for _, want := range c.has {
				if !strings.Contains(list, want) {
					t.Errorf("the dump lacks %q:\n%s", want, list)
				}
			}
			for _, unwanted := range c.hasNot {
				if strings.Contains(list, unwanted) {
					t.Errorf("the dump has %q:\n%s", unwanted, list)
				}
			}
			cluster := validateCluster(t, p.Cat(snapshot, "/00000-cluster.json"))
			if len(cluster.Databases) != 1 || !slices.ContainsFunc(cluster.Databases[0].Schemas, func(s manifest.ClusterSchema) bool {
				return s.Name == "app" && s.Owner == "keeper" && len(s.Grants) == 3
			}) {
				t.Errorf("00000-cluster.json: %+v", cluster.Databases)
			}
		})
	}

	t.Run("restored", func(t *testing.T) {
		dst := harness.Start(t)
		p.DestinationAdd("dst", dst.URL(""), dst.BinDirOption())
		ok(t, p.Restore("@dst", p.MustBackup("@shop", "-o", "schemas=neat")))
		query(t, dst, "shop", "SELECT name FROM neat.names", "Here")
	})
	t.Run("an extension in a schema of its own", func(t *testing.T) {
		src.Exec(t, "postgres", "CREATE DATABASE apart")
		src.Exec(t, "apart", `CREATE SCHEMA ext AUTHORIZATION keeper; GRANT USAGE ON SCHEMA ext TO PUBLIC; CREATE EXTENSION citext SCHEMA ext;
			CREATE TABLE t (x ext.citext); INSERT INTO t VALUES ('Kept')`)
		p.SourceAdd("apart", src.URL("apart"), src.BinDirOption())
		dst := harness.Start(t)
		p.DestinationAdd("apart", dst.URL(""), dst.BinDirOption())
		ok(t, p.Restore("@apart", p.MustBackup("@apart", "-o", "tables=public.t")))
		query(t, dst, "apart", "SELECT x FROM t WHERE x OPERATOR(ext.=) 'kept'", "Kept")
		query(t, dst, "apart", "SELECT nspowner::regrole, has_schema_privilege('public', 'ext', 'USAGE') FROM pg_namespace WHERE nspname = 'ext'", "keeper|t")
	})
}

// A pattern without a schema is of what the role's own search_path finds, as with pg_dump.
func TestPatternsWithoutSchema(t *testing.T) {
	t.Parallel()
	src := harness.Start(t)
	src.Exec(t, "postgres", `CREATE DATABASE shop`)
	src.Exec(t, "shop", `CREATE TABLE orders (id int); CREATE TABLE notes (id int); CREATE SCHEMA hidden; CREATE TABLE hidden.orders (id int); CREATE TABLE hidden.secrets (id int)`)
	p := harness.NewPlakar(t)
	p.SourceAdd("mypg", src.URL("shop"), src.BinDirOption())
	tables := func(flags ...string) string {
		t.Helper()
		snapshot, result := p.Backup("@mypg", flags...)
		ok(t, result)
		if strings.Contains(result.Output(), "matches nothing") {
			t.Errorf("%q warns:\n%s", flags, result.Output())
		}
		var found []string
		for _, match := range regexp.MustCompile(`TABLE DATA (\S+ \S+)`).FindAllStringSubmatch(listArchive(t, src, p.Cat(snapshot, "/00001-shop.dump")), -1) {
			found = append(found, match[1])
		}
		slices.Sort(found)
		return strings.Join(found, ", ")
	}
	for _, c := range []struct{ option, want string }{
		{"tables=orders", "public orders"}, {"exclude_tables=orders", "hidden orders, hidden secrets, public notes"}, {"exclude_table_data=notes", "hidden orders, hidden secrets, public orders"},
	} {
		if got := tables("-o", c.option); got != c.want {
			t.Errorf("%s: rows of %s, want %s", c.option, got, c.want)
		}
	}
	src.Exec(t, "postgres", "ALTER ROLE postgres SET search_path = hidden")
	if got, want := tables("-o", "tables=orders"), "hidden orders"; got != want {
		t.Errorf("with a search_path of the role: rows of %s, want %s", got, want)
	}
}
