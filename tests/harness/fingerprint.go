package harness

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// Fingerprint describes a database: its schema as pg_dump writes it, and for
// every table and materialized view the number of rows and a checksum of
// their content, for every sequence its state, for every large object its
// checksum. Two databases with the same fingerprint have the same content.
func Fingerprint(tb testing.TB, s *Server, db string) string {
	tb.Helper()
	return fingerprint(tb, s, s.Tool("pg_dump"), db)
}

func fingerprint(tb testing.TB, s *Server, pgDump, db string) string {
	tb.Helper()
	return dumpSchema(tb, s, pgDump, db) + "\n" + strings.Join(contentSums(tb, s, db), "\n") + "\n"
}

// dumpSchema returns the text of pg_dump -s without what differs from run to
// run: the versions and the random \restrict key.
func dumpSchema(tb testing.TB, s *Server, pgDump, db string) string {
	tb.Helper()
	cmd := exec.Command(pgDump, "-s") //nolint:gosec // a tool found by the harness
	cmd.Env = s.Env(db)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		tb.Fatalf("pg_dump -s of %q: %v\n%s", db, err, stderr.String())
	}
	lines := slices.DeleteFunc(strings.Split(string(out), "\n"), func(line string) bool {
		for _, prefix := range []string{"-- Dumped ", `\restrict `, `\unrestrict `} {
			if strings.HasPrefix(line, prefix) {
				return true
			}
		}
		return line == ""
	})
	return strings.Join(lines, "\n")
}

// contentSums returns one line for everything that holds data: a query makes
// the statements, which are then run in one session.
func contentSums(tb testing.TB, s *Server, db string) []string {
	tb.Helper()
	script := seedFile(tb, "sums")
	statements, err := s.query(db, script)
	if err != nil {
		tb.Fatalf("listing what %q holds: %v", db, err)
	}
	settings, _, _ := strings.Cut(script, "\n\n")
	sums, err := s.query(db, settings+"\n"+strings.Join(statements, "\n"))
	if err != nil {
		tb.Fatalf("checksums of %q: %v", db, err)
	}
	return sums
}

// CompareDatabase fails the test, with a difference that can be read, when
// two databases are not the same. The servers may be of different versions:
// the newer one's pg_dump describes both.
func CompareDatabase(tb testing.TB, want, got *Server, wantDB, gotDB string) {
	tb.Helper()
	pgDump := newer(want, got).Tool("pg_dump")
	a, b := fingerprint(tb, want, pgDump, wantDB), fingerprint(tb, got, pgDump, gotDB)
	if diff := diffLines(a, b); diff != "" {
		tb.Errorf("database %q (-want, PostgreSQL %d; +got, %d):\n%s", wantDB, want.Major, got.Major, diff)
	}
}

// CompareContent is CompareDatabase without the schema, whose text differs between
// major versions where that of views does.
func CompareContent(tb testing.TB, want, got *Server, db string) {
	tb.Helper()
	a, b := strings.Join(contentSums(tb, want, db), "\n"), strings.Join(contentSums(tb, got, db), "\n")
	if diff := diffLines(a, b); diff != "" {
		tb.Errorf("content of database %q (-want, PostgreSQL %d; +got, %d):\n%s", db, want.Major, got.Major, diff)
	}
}

// CompareClusters compares the roles, the properties of the databases, and
// every database that accepts connections. Passwords of the given roles may
// differ.
func CompareClusters(tb testing.TB, want, got *Server, exceptPasswords ...string) {
	tb.Helper()
	CompareRoles(tb, want, got, exceptPasswords...)
	theirs := got.Databases(tb)
	for _, db := range want.Databases(tb) {
		if !slices.Contains(theirs, db) {
			continue // CompareRoles has said so
		}
		CompareDatabase(tb, want, got, db, db)
	}
}

func newer(a, b *Server) *Server {
	if a.Major >= b.Major {
		return a
	}
	return b
}
