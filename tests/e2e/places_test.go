package e2e

import (
	"testing"

	"github.com/PlakarKorp/integration-postgresql/tests/harness"
)

// A target that lacks the tablespaces and the locales of the source takes other ones, which
// the errors name.
func TestOtherPlaces(t *testing.T) {
	t.Parallel()
	src, dst, p := harness.Start(t), harness.Start(t), harness.NewPlakar(t)
	src.Exec(t, "postgres", "CREATE TABLESPACE fast LOCATION "+harness.Literal(src.Dir(t, "fast")))
	src.Exec(t, "postgres", "CREATE DATABASE shop TABLESPACE fast")
	src.Exec(t, "shop", "CREATE TABLE t (x text COLLATE \"C\") TABLESPACE pg_default; INSERT INTO t VALUES ('ä')")
	src.Exec(t, "postgres", "CREATE DATABASE localized TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C.UTF-8'")
	p.SourceAdd("mypg", src.URL(""), src.BinDirOption())
	p.DestinationAdd("dst", dst.URL(""), dst.BinDirOption(), "databases=shop,localized", "no_globals=true")
	snapshot := p.MustBackup("@mypg")
	failed(t, p.Restore("@dst", snapshot), `tablespace "fast" does not exist`, "no_tablespaces=true")
	failed(t, p.Restore("@dst", snapshot, "-o", "no_tablespaces=true", "-o", "locale=xx_YY.UTF-8", "-o", "databases=shop"), "xx_YY.UTF-8", "the options locale and locale_provider choose others")
	failed(t, p.Restore("@dst", snapshot, "-o", "locale_provider=icu"), `option "locale_provider": icu needs one of its own locales`)
	failed(t, p.Restore("@dst", snapshot, "-o", "locale_provider=cldr"), `option "locale_provider"`, "libc, icu, builtin")
	ok(t, p.Restore("@dst", snapshot, "-o", "recreate=true", "-o", "no_tablespaces=true", "-o", "locale=C"))
	query(t, dst, "shop", countT, "1")
	const of = "SELECT datcollate, datctype, (SELECT spcname FROM pg_tablespace s WHERE s.oid = dattablespace) FROM pg_database WHERE datname = "
	query(t, dst, "postgres", of+"'shop'", "C|C|pg_default")
	query(t, dst, "postgres", of+"'localized'", "C|C|pg_default")
	ok(t, p.Restore("@dst", snapshot, "-o", "recreate=true", "-o", "no_tablespaces=true", "-o", "locale_provider=icu", "-o", "locale=de-DE", "-o", "databases=shop"))
	query(t, dst, "postgres", "SELECT datlocprovider FROM pg_database WHERE datname = 'shop'", "i")
	// With the roles and tablespaces of the snapshot, whose directory is not there either.
	ok(t, p.Restore("@dst", snapshot, "-o", "globals=all", "-o", "no_globals=false", "-o", "recreate=true", "-o", "no_tablespaces=true"))
	query(t, dst, "postgres", "SELECT count(*) FROM pg_tablespace", "2")
	if dst.Major >= 17 {
		ok(t, p.Restore("@dst", snapshot, "-o", "recreate=true", "-o", "no_tablespaces=true", "-o", "locale_provider=builtin", "-o", "locale=C.UTF-8", "-o", "databases=shop"))
		query(t, dst, "postgres", "SELECT datlocprovider FROM pg_database WHERE datname = 'shop'", "b")
	}
}
