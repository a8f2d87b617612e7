//go:build linux

package faults

import "github.com/PlakarKorp/integration-postgresql/tests/harness"

// What restores leave on the target server.
var (
	everything  = outcome{"everything", holds("12000", "7", "1")}
	rolledBack  = outcome{"what was restored before; none of the rows under way", holds("0", "7", "")}
	emptyTables = outcome{"nothing", holds("0", "0", "0")}
	nothingMade = outcome{"nothing", (*scene).absent}
	nothingOfIt = outcome{"nothing of that database", (*scene).absent}
	asItWas     = outcome{"it is left as it was", func(s *scene) { s.rows("1") }}
)

// holds checks how many rows the table t has, what the table other holds, and how many
// large objects there are; those may come before or after, where large is "".
func holds(t, other, large string) func(s *scene) {
	return func(s *scene) {
		s.Helper()
		s.rows(t)
		if other == "0" {
			s.finds("SELECT count(*) FROM other", "0")
		} else {
			s.finds("SELECT x FROM other", other)
		}
		if large != "" {
			s.finds("SELECT count(*) FROM pg_largeobject_metadata", large)
		}
	}
}

// rows checks how many rows the table t has.
func (s *scene) rows(want string) {
	s.Helper()
	s.finds("SELECT count(*) FROM t", want)
}

// finds checks what a query gives in the target database.
func (s *scene) finds(sql, want string) {
	s.Helper()
	if got := s.server.QueryText(s, s.db, sql); got != want {
		s.Errorf("%s: %q, want %q", sql, got, want)
	}
}

// absent checks that the target database was not made.
func (s *scene) absent() {
	s.Helper()
	if s.server.QueryText(s, "postgres", "SELECT count(*) FROM pg_database WHERE datname = "+harness.Literal(s.db)) != "0" {
		s.Errorf("there is a database %s", s.db)
	}
}
