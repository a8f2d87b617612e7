package harness

import (
	"embed"
	"fmt"
	"strings"
	"testing"
)

//go:embed seed/*.sql
var seedFiles embed.FS

// SeedDatabase is the name of the database that is hard on purpose.
const SeedDatabase = "seed"

// Seed fills a server with the hard cluster: roles with passwords, settings
// and memberships, the database "seed" with every kind of object, databases
// of other encodings and kinds, and one for each of AwkwardNames.
func Seed(tb testing.TB, s *Server) {
	tb.Helper()
	SeedHard(tb, s)
	SeedNames(tb, s, AwkwardNames...)
}

// SeedHard is Seed without the awkward names.
func SeedHard(tb testing.TB, s *Server) {
	tb.Helper()
	s.Psql(tb, "postgres", seedFile(tb, "roles"))
	s.Psql(tb, "seed_latin1", seedFile(tb, "latin1"))
	for _, name := range []string{"types", "code", "tables", "views"} {
		s.Psql(tb, SeedDatabase, seedFile(tb, name))
	}
	for _, version := range []int{16, 17, 18} {
		if s.Major >= version {
			s.Psql(tb, SeedDatabase, seedFile(tb, fmt.Sprintf("v%d", version)))
		}
	}
	s.Exec(tb, "postgres", "CREATE TABLE in_postgres AS SELECT 'not to be dropped' AS v")
}

// SeedNames creates databases with a small table each, whose rows tell which
// database it was.
func SeedNames(tb testing.TB, s *Server, names ...string) {
	tb.Helper()
	for i, name := range names {
		s.Exec(tb, "postgres", "CREATE DATABASE "+Ident(name)+" TEMPLATE template0")
		s.Exec(tb, name, fmt.Sprintf(
			"CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t VALUES (%d, %s), (-1, 'x')", i, Literal(name)))
	}
}

// Shop creates a database with data as an application has it: customers,
// products, orders; some 20,000 rows.
func Shop(tb testing.TB, s *Server, db string) {
	tb.Helper()
	s.Exec(tb, "postgres", "CREATE DATABASE "+Ident(db))
	s.Psql(tb, db, seedFile(tb, "shop"))
}

func seedFile(tb testing.TB, name string) string {
	tb.Helper()
	content, err := seedFiles.ReadFile("seed/" + name + ".sql")
	must(tb, err)
	return strings.TrimSpace(string(content)) + "\n"
}
