package e2e

import (
	"slices"
	"testing"

	"github.com/PlakarKorp/integration-postgresql/tests/harness"
)

// loginTriggers are what an application may have: one notes each login, and one lets in nobody but it.
const loginTriggers = `CREATE TABLE logins (who text, what text);
	CREATE FUNCTION note() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN
		INSERT INTO public.logins VALUES (current_user, current_setting('application_name')); END $$;
	CREATE FUNCTION refuse() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN
		IF current_setting('application_name') <> 'harness' THEN RAISE EXCEPTION 'nobody but the harness'; END IF; END $$;
	CREATE EVENT TRIGGER note ON login EXECUTE FUNCTION note(); ALTER EVENT TRIGGER note ENABLE ALWAYS;
	CREATE EVENT TRIGGER refuse ON login EXECUTE FUNCTION refuse(); ALTER EVENT TRIGGER refuse ENABLE ALWAYS`

// The connections of a backup leave nothing at the source, and those of a restore of rows add none.
func TestLoginTriggers(t *testing.T) {
	t.Parallel()
	major, err := harness.DefaultMajor()
	must(t, err)
	major = max(major, 17) // the first one with triggers for logins
	src, dst := harness.Start(t, harness.Major(major)), harness.Start(t, harness.Major(major))
	src.Exec(t, "postgres", "CREATE DATABASE shop")
	src.Exec(t, "shop", "CREATE TABLE t (x int PRIMARY KEY); INSERT INTO t VALUES (1);"+loginTriggers)
	p := harness.NewPlakar(t)
	p.DestinationAdd("dst", dst.URL(""), dst.BinDirOption())
	const ofOthers = "SELECT count(*) FROM logins WHERE what <> 'harness'"
	for _, layout := range []string{"single", "tables"} {
		p.SourceAdd(layout, src.URL(""), "layout="+layout, "table_size=1B", src.BinDirOption())
		snapshot := p.MustBackup("@" + layout)
		query(t, src, "shop", ofOthers, "0")
		for _, options := range [][]string{{"recreate=true", "analyze=true"}, {"recreate=true", "jobs=2"}, {"recreate=true", "schema_only=true"}, {"data_only=true"}} {
			ok(t, p.Restore("@dst", snapshot, flags(options)...))
			query(t, dst, "shop", ofOthers, "0")
			if slices.Contains(options, "analyze=true") {
				query(t, dst, "shop", "SELECT reltuples FROM pg_class WHERE relname = 't'", "1")
			}
		}
		query(t, dst, "shop", countT, "1")
	}
}
