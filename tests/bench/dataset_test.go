package bench

import (
	"bytes"
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"github.com/PlakarKorp/integration-postgresql/tests/harness"
)

// dataset is a server with data of one kind.
type dataset struct {
	name     string
	what     string
	database string // the one that a backup of one database takes
	make     func(b *testing.B, s *harness.Server)
}

var (
	d1 = dataset{"D1", "few large tables: pgbench, scale 60", "bench", pgbench(60)}
	d2 = dataset{"D2", "many small tables: 4,000 with an index each", "bench", tables(4000, 20)}
	d3 = dataset{"D3", "many databases: 40 of about 5 MB of rows", "db01", func(b *testing.B, s *harness.Server) {
		s.Exec(b, "postgres", "CREATE DATABASE db01")
		s.Psql(b, "db01", `
			SELECT setseed(0.1);
			CREATE TABLE event (id int PRIMARY KEY, at timestamptz, kind text, body text);
			INSERT INTO event SELECT i, '2026-01-01'::timestamptz + i * interval '1 min', 'kind' || i % 7,
				md5(random()::text) || md5(random()::text) || md5(random()::text)
			FROM generate_series(1, 36000) i;
			CREATE INDEX ON event (at)`)
		for i := 2; i <= 40; i++ {
			s.Exec(b, "postgres", fmt.Sprintf("CREATE DATABASE db%02d TEMPLATE db01", i))
		}
	}}
	d4 = dataset{"D4", "about 400 MB of mixed tables: text, jsonb, bytea, indexes, foreign keys", "bench", func(b *testing.B, s *harness.Server) {
		s.Exec(b, "postgres", "CREATE DATABASE bench")
		s.Psql(b, "bench", mixed)
	}}
	d5 = dataset{"D5", "20,000 tables with an index each", "bench", tables(20000, 1)}
	d6 = dataset{"D6", "files of 1 GB: pgbench, scale 200", "bench", pgbench(200)}
)

// pgbench makes its tables; 15 MB for each unit of scale.
func pgbench(scale int) func(*testing.B, *harness.Server) {
	return func(b *testing.B, s *harness.Server) {
		s.Exec(b, "postgres", "CREATE DATABASE bench")
		run(b, tool(s, "bench", "pgbench", "--initialize", fmt.Sprintf("--scale=%d", scale), "--quiet"))
	}
}

// mixed is the content of D4.
const mixed = `
SELECT setseed(0.4);
CREATE TABLE customer (id int PRIMARY KEY, name text NOT NULL, email text UNIQUE, profile jsonb, since date);
INSERT INTO customer SELECT i, 'customer ' || md5(i::text), i || '@' || md5(random()::text) || '.example',
	jsonb_build_object('lang', (ARRAY['fr', 'en', 'de'])[1 + i % 3], 'score', random(), 'tags', jsonb_build_array(i % 11, i % 13), 'note', md5(random()::text)),
	'2020-01-01'::date + i % 2000
FROM generate_series(1, 200000) i;
CREATE TABLE orders (id int PRIMARY KEY, customer int NOT NULL REFERENCES customer, at timestamptz, total numeric, lines jsonb);
INSERT INTO orders SELECT i, 1 + i % 200000, '2026-01-01'::timestamptz + i * interval '7 s', round((random() * 1000)::numeric, 2),
	jsonb_build_object('sku', md5(random()::text), 'qty', i % 9)
FROM generate_series(1, 900000) i;
CREATE TABLE message (id int PRIMARY KEY, orders int REFERENCES orders, body text);
INSERT INTO message SELECT i, 1 + (i * 7) % 900000, string_agg(md5(random()::text), ' ')
FROM generate_series(1, 250000) i, generate_series(1, 8) GROUP BY i;
CREATE TABLE attachment (id int PRIMARY KEY, message int REFERENCES message, content bytea);
ALTER TABLE attachment ALTER content SET STORAGE EXTERNAL;
INSERT INTO attachment SELECT i, 1 + i % 250000, decode(string_agg(md5(random()::text), ''), 'hex')
FROM generate_series(1, 12000) i, generate_series(1, 300) GROUP BY i;
CREATE TABLE small_a (id int PRIMARY KEY, t text);
INSERT INTO small_a SELECT i, md5(i::text) FROM generate_series(1, 5000) i;
CREATE TABLE small_b (LIKE small_a INCLUDING ALL);
INSERT INTO small_b SELECT * FROM small_a;
CREATE INDEX ON customer (since);
CREATE INDEX ON orders (customer);
CREATE INDEX ON orders (at);
CREATE INDEX ON message (orders);
CREATE INDEX ON attachment (message);`

// tables makes n tables of so many rows, each with an index.
func tables(n, rows int) func(*testing.B, *harness.Server) {
	return func(b *testing.B, s *harness.Server) {
		s.Exec(b, "postgres", "CREATE DATABASE bench")
		const batch = 500 // tables in one transaction: each holds locks until its end
		var sql strings.Builder
		for i := 0; i < n; i += batch {
			fmt.Fprintf(&sql, `DO $$ BEGIN FOR i IN %d..%d LOOP
				EXECUTE format('CREATE TABLE t%%s AS SELECT x, md5(x::text) AS v FROM generate_series(1, %d) x', i);
				EXECUTE format('CREATE INDEX ON t%%s (x)', i);
			END LOOP; END $$;`+"\n", i+1, min(i+batch, n), rows)
		}
		s.Psql(b, "bench", sql.String())
	}
}

// start starts a server with the dataset in it.
func (d dataset) start(b *testing.B, major int) *harness.Server {
	b.Helper()
	s := harness.Start(b, harness.Major(major), harness.Conf(
		"shared_buffers = 512MB", "max_wal_size = 8GB", "max_locks_per_transaction = 1024", "checkpoint_timeout = 1h", "autovacuum = off",
		"wal_keep_size = 0", "maintenance_work_mem = 128MB",
	))
	d.make(b, s)
	for _, database := range s.Databases(b) {
		s.Exec(b, database, "VACUUM (ANALYZE, FREEZE)")
	}
	settle(b, s)
	return s
}

// settle leaves the server nothing to write.
func settle(b *testing.B, s *harness.Server) {
	b.Helper()
	s.Exec(b, "postgres", "CHECKPOINT")
	s.Exec(b, "postgres", "SELECT pg_switch_wal()")
	s.Exec(b, "postgres", "CHECKPOINT")
}

// tool is a client program of the server's version, on one of its databases.
func tool(s *harness.Server, database, name string, args ...string) *exec.Cmd {
	cmd := exec.Command(s.Tool(name), args...) //nolint:gosec // the tools under test
	cmd.Env = append(s.Env(database), "LC_ALL=C")
	return cmd
}

func run(b *testing.B, cmd *exec.Cmd) {
	b.Helper()
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Run(); err != nil {
		b.Fatalf("%s: %v\n%s", cmd, err, stderr.String())
	}
}
