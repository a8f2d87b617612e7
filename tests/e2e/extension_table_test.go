package e2e

import "testing"

// A database that has no table but an extension's counts as empty: rows are loaded although
// an owner is missing.
func TestExtensionTableAlone(t *testing.T) {
	t.Parallel()
	s := newSource(t)
	for _, layout := range []string{"single", "tables"} {
		s.plakar.SourceAdd(layout, s.server.URL("first"), "layout="+layout, "table_size=1B", s.server.BinDirOption())
		s.snapshot = s.plakar.MustBackup("@" + layout)
		dst, restore := s.destination(t)
		dst.Exec(t, "postgres", "CREATE DATABASE first")
		dst.Exec(t, "first", "CREATE EXTENSION unaccent; CREATE TABLE rules (x int); ALTER EXTENSION unaccent ADD TABLE rules")
		failed(t, restore("", "globals=none"), `role "bob" does not exist`)
		query(t, dst, "first", countT, "1000")

		dst.Exec(t, "postgres", "CREATE DATABASE filled")
		dst.Exec(t, "filled", "CREATE TABLE one_of_mine (x int)")
		failed(t, restore("", "globals=none", "database=filled"), `role "bob" does not exist`)
		query(t, dst, "filled", countT, "0")
	}
}
