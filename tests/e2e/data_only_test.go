package e2e

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/PlakarKorp/integration-postgresql/tests/harness"
)

// related are tables whose foreign keys do not go by their names, with triggers of every
// state that would change, add or lose rows.
const related = `
	CREATE TABLE audit (what text);
	CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN IF TG_LEVEL = 'ROW' THEN NEW.stamp = 'changed'; END IF; INSERT INTO public.audit VALUES (TG_NAME); RETURN NEW; END$$;
	CREATE TABLE z_parent (id int PRIMARY KEY, two text COLLATE "C", UNIQUE (id, two));
	CREATE TABLE a_child (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, up int REFERENCES a_child, parent bigint REFERENCES z_parent, stamp text, twice text GENERATED ALWAYS AS (stamp || stamp) STORED,
		UNIQUE (parent) DEFERRABLE);
	CREATE TABLE b_full (id int, two text COLLATE "POSIX", stamp text, FOREIGN KEY (id, two) REFERENCES z_parent (id, two) MATCH FULL);
	CREATE TABLE c_parted (x int, stamp text, parent int REFERENCES z_parent) PARTITION BY LIST (x);
	CREATE TABLE c_parted_1 PARTITION OF c_parted FOR VALUES IN (1);
	CREATE TABLE d_old (parent int, stamp text);
	CREATE TABLE y_parted (id int PRIMARY KEY) PARTITION BY LIST (id); CREATE TABLE y_parted_1 PARTITION OF y_parted FOR VALUES IN (1); CREATE TABLE y_parted_2 PARTITION OF y_parted FOR VALUES IN (2);
	CREATE TABLE "e to 'parted" (id int REFERENCES y_parted);
	INSERT INTO z_parent SELECT g, 'two' FROM generate_series(1, 1000) g;
	INSERT INTO a_child (up, parent, stamp) VALUES (2, 1, 'one'), (1, 2, 'two');
	INSERT INTO b_full VALUES (1, 'two', 's'), (NULL, NULL, 's'); INSERT INTO c_parted VALUES (1, 's', 7); INSERT INTO d_old VALUES (0, 's'); INSERT INTO y_parted VALUES (1), (2); INSERT INTO "e to 'parted" VALUES (1), (2);
	ALTER TABLE d_old ADD FOREIGN KEY (parent) REFERENCES z_parent NOT VALID;
	CREATE TRIGGER origin BEFORE INSERT ON a_child FOR EACH ROW EXECUTE FUNCTION stamp();
	CREATE TRIGGER "it's always" BEFORE INSERT ON a_child FOR EACH ROW EXECUTE FUNCTION stamp(); ALTER TABLE a_child ENABLE ALWAYS TRIGGER "it's always";
	CREATE TRIGGER replica BEFORE INSERT ON b_full FOR EACH ROW EXECUTE FUNCTION stamp(); ALTER TABLE b_full ENABLE REPLICA TRIGGER replica;
	CREATE TRIGGER never BEFORE INSERT ON b_full FOR EACH ROW EXECUTE FUNCTION stamp(); ALTER TABLE b_full DISABLE TRIGGER never;
	CREATE TRIGGER every BEFORE INSERT ON c_parted FOR EACH ROW EXECUTE FUNCTION stamp(); ALTER TABLE c_parted_1 ENABLE ALWAYS TRIGGER every;
	CREATE TRIGGER origin BEFORE INSERT ON d_old FOR EACH ROW EXECUTE FUNCTION stamp();
	CREATE RULE also AS ON INSERT TO d_old DO ALSO INSERT INTO audit VALUES ('rule'); ALTER TABLE d_old ENABLE ALWAYS RULE also;
	CREATE TABLE f_one (id int PRIMARY KEY, two int); CREATE TABLE f_two (id int PRIMARY KEY, one int REFERENCES f_one);
	ALTER TABLE f_one ADD CONSTRAINT to_two FOREIGN KEY (two) REFERENCES f_two DEFERRABLE;
	CREATE TRIGGER origin BEFORE INSERT ON f_one FOR EACH STATEMENT EXECUTE FUNCTION stamp();
	BEGIN; SET CONSTRAINTS to_two DEFERRED; INSERT INTO f_one VALUES (1, 1); INSERT INTO f_two VALUES (1, 1); COMMIT; TRUNCATE audit;
	CREATE MATERIALIZED VIEW "y 'of parents" AS SELECT id, two FROM z_parent GROUP BY id; CREATE UNIQUE INDEX ON "y 'of parents" (id); CREATE VIEW over AS SELECT * FROM "y 'of parents";
	CREATE MATERIALIZED VIEW a_counted AS SELECT count(*) FROM over; CREATE MATERIALIZED VIEW never AS SELECT * FROM over WITH NO DATA;
	CREATE FUNCTION old() RETURNS bigint LANGUAGE sql AS 'SELECT count(*) FROM public.d_old'; CREATE MATERIALIZED VIEW hidden AS SELECT old();
	CREATE EVENT TRIGGER note ON ddl_command_end EXECUTE FUNCTION public.note(); ALTER EVENT TRIGGER note DISABLE`

// triggerStates are the states of all triggers and rules.
const triggerStates = `SELECT tgrelid::regclass::text, CASE WHEN tgisinternal THEN 'internal' ELSE tgname END, tgenabled, count(*) FROM pg_trigger GROUP BY 1, 2, 3
	UNION ALL SELECT ev_class::regclass::text, rulename, ev_enabled, 1 FROM pg_rewrite WHERE ev_class >= 16384 ORDER BY 1, 2, 3`

// relatedSource is a source with the database "first" of these tables.
func relatedSource(t *testing.T, layout string) source {
	t.Helper()
	s := source{server: harness.Start(t), plakar: harness.NewPlakar(t)}
	s.server.Exec(t, "postgres", "CREATE DATABASE first")
	s.server.Exec(t, "first", "CREATE FUNCTION note() RETURNS event_trigger LANGUAGE plpgsql AS $$BEGIN INSERT INTO public.audit VALUES ('event'); END$$;"+related)
	s.backup(t, layout)
	return s
}

func (s *source) backup(t *testing.T, layout string) {
	t.Helper()
	s.plakar.Run("source", "rm", layout)
	s.plakar.SourceAdd(layout, s.server.URL("first"), "layout="+layout, "table_size=40kB", s.server.BinDirOption())
	s.snapshot = s.plakar.MustBackup("@" + layout)
}

// Definitions first, rows later: they are exactly those that were saved, whatever triggers
// and foreign keys are there, and these are as they were. Materialized views say what the
// rows do.
func TestDataOnly(t *testing.T) {
	t.Parallel()
	harness.LowestAndHighestMajorOnly(t, "triggers and constraints are old, and what is new is of the newest version")
	for layout, jobs := range map[string][]string{"single": {"jobs=1", "jobs=2"}, "tables": {"jobs=2"}} {
		s := relatedSource(t, layout)
		want := s.server.QueryText(t, "first", triggerStates)
		for _, jobs := range jobs {
			dst, restore := s.destination(t)
			ok(t, restore("", "schema_only=true"))
			dst.Exec(t, "first", "ALTER EVENT TRIGGER note ENABLE")
			ok(t, restore("", "data_only=true", jobs))
			dst.Exec(t, "first", "ALTER EVENT TRIGGER note DISABLE")
			harness.CompareDatabase(t, s.server, dst, "first", "first")
			if diff := cmp.Diff(want, dst.QueryText(t, "first", triggerStates)); diff != "" {
				t.Errorf("%s, %s: triggers: -want +got\n%s", layout, jobs, diff)
			}

			// What nobody chose and the snapshot refreshes, and what only the target has.
			dst.Exec(t, "first", "CREATE MATERIALIZED VIEW own AS SELECT count(*) FROM a_counted; TRUNCATE z_parent CASCADE; REFRESH MATERIALIZED VIEW a_counted")
			r := restore("", "data_only=true", jobs, "tables=z_parent")
			ok(t, r)
			if !strings.Contains(r.Output(), "up to date: public.own") {
				t.Errorf("%s, %s: the target's own view is not named: %s", layout, jobs, r.Output())
			}
			query(t, dst, "first", "SELECT count FROM a_counted", "1000")

			// Once more: refused, and nothing is different.
			dst.Exec(t, "first", "DROP MATERIALIZED VIEW own; CREATE OR REPLACE FUNCTION old() RETURNS bigint LANGUAGE sql AS 'SELECT 1 / 0'")
			failed(t, restore("", "data_only=true", jobs), "duplicate key", "refreshing materialized views", "division by zero")
			if diff := cmp.Diff(want, dst.QueryText(t, "first", triggerStates)); diff != "" {
				t.Errorf("%s, %s, refused: triggers: -want +got\n%s", layout, jobs, diff)
			}
		}
	}
}

// Each foreign key is checked that was not in force, and what else is not.
func TestDataOnlyChecks(t *testing.T) {
	t.Parallel()
	harness.LowestAndHighestMajorOnly(t, "constraints are old, and what is new is of the newest version")
	s := relatedSource(t, "single")
	if s.server.Major >= 18 {
		s.server.Exec(t, "first", `CREATE EXTENSION btree_gist; CREATE TABLE reign (x int, during int4range, PRIMARY KEY (x, during WITHOUT OVERLAPS));
			CREATE TABLE act (x int, during int4range, FOREIGN KEY (x, PERIOD during) REFERENCES reign);
			INSERT INTO reign VALUES (1, '[1,5)'), (1, '[5,9)'); INSERT INTO act VALUES (1, '[2,8)'), (1, NULL)`)
		s.backup(t, "single")
	}
	dst, restore := s.destination(t)
	ok(t, restore("", "schema_only=true"))
	// The foreign keys of tables whose parents are not chosen.
	failed(t, restore("", "tables=a_child,b_full,c_parted", "data_only=true"),
		`foreign key a_child_parent_fkey of public.a_child does not hold: 2 of its rows refer to nothing in public.z_parent`,
		`foreign key b_full_id_two_fkey of public.b_full does not hold: 1 of its rows`,
		`foreign key c_parted_parent_fkey of public.c_parted_1 does not hold: 1 of its rows`)
	dst.Exec(t, "first", "TRUNCATE z_parent CASCADE; SET session_replication_role = replica; INSERT INTO b_full VALUES (NULL, 'two')")
	failed(t, restore("", "tables=z_parent,b_full", "data_only=true"), `foreign key b_full_id_two_fkey of public.b_full does not hold: 1 of its rows`)

	// What the source itself does not keep; a NOT VALID key is none of that.
	s.server.Exec(t, "first", `SET session_replication_role = replica; INSERT INTO a_child (parent) VALUES (1);
		INSERT INTO "e to 'parted" VALUES (3)`)
	wants := []string{`constraint a_child_parent_key of public.a_child: `, `of public."e to 'parted" does not hold: 1 of its rows refer to nothing in public.y_parted`}
	if s.server.Major >= 18 {
		s.server.Exec(t, "first", `SET session_replication_role = replica; INSERT INTO act VALUES (1, '[2,10)')`)
		wants = append(wants, "foreign key act_x_during_fkey of public.act does not hold: 1 of its rows")
	}
	s.backup(t, "single")
	_, restore = s.destination(t)
	ok(t, restore("", "schema_only=true"))
	failed(t, restore("", "data_only=true"), wants...)
}

// A role that may not turn triggers off keeps the order of foreign keys.
func TestDataOnlyWithoutReplica(t *testing.T) {
	t.Parallel()
	harness.LowestMajorOnly(t, "the order is ours")
	for layout, jobs := range map[string][]string{"single": {"jobs=1"}, "tables": {"jobs=2"}} {
		s := relatedSource(t, layout)
		want := s.server.QueryText(t, "first", triggerStates)
		for _, jobs := range jobs {
			dst, restore := s.destination(t)
			ok(t, restore("", "schema_only=true"))
			dst.Exec(t, "first", `DROP EVENT TRIGGER note; CREATE ROLE plain LOGIN PASSWORD 'x';
				DO $$DECLARE t text; BEGIN FOR t IN SELECT c.oid::regclass FROM pg_class c WHERE oid >= 16384 AND relkind IN ('r', 'p', 'm', 'v') AND relnamespace = 'public'::regnamespace LOOP
				EXECUTE 'ALTER TABLE ' || t || ' OWNER TO plain'; END LOOP; END$$`)
			s.plakar.Run("destination", "rm", "plain")
			s.plakar.DestinationAdd("plain", dst.URLFor("plain", "x", ""), dst.BinDirOption())
			// d_old has a row that its key, which is NOT VALID, does not let in.
			failed(t, s.plakar.Restore("@plain", s.snapshot, flags([]string{"data_only=true", jobs})...), "may not set session_replication_role", "d_old_parent_fkey")
			dst.Exec(t, "first", "SET session_replication_role = replica; INSERT INTO d_old VALUES (0, 's'); TRUNCATE audit; REFRESH MATERIALIZED VIEW hidden")
			harness.CompareContent(t, s.server, dst, "first")
			if diff := cmp.Diff(want, dst.QueryText(t, "first", triggerStates)); diff != "" {
				t.Errorf("%s, %s: triggers: -want +got\n%s", layout, jobs, diff)
			}

			dst.Exec(t, "first", "TRUNCATE a_child, b_full, c_parted, d_old, y_parted, f_one, z_parent CASCADE; ALTER TABLE f_one ALTER CONSTRAINT to_two NOT DEFERRABLE")
			failed(t, s.plakar.Restore("@plain", s.snapshot, flags([]string{"data_only=true", jobs})...), "to_two of public.f_one to public.f_two", "f_two_one_fkey of public.f_two to public.f_one", "GRANT SET ON PARAMETER")
			query(t, dst, "first", "SELECT count(*) FROM z_parent", "0")
			dst.Exec(t, "first", "ALTER TABLE c_parted_1 OWNER TO postgres; ALTER TABLE f_one ALTER CONSTRAINT to_two DEFERRABLE; GRANT ALL ON c_parted_1 TO plain")
			failed(t, s.plakar.Restore("@plain", s.snapshot, flags([]string{"data_only=true", jobs})...), "trigger every of public.c_parted_1 would change", "owner")
			query(t, dst, "first", "SELECT count(*) FROM z_parent", "0")
		}
	}
}

// A backup of rows alone is restored as they were saved, though the restore was not told.
func TestDataOnlyBackup(t *testing.T) {
	t.Parallel()
	harness.LowestMajorOnly(t, "what an archive lacks is no matter of the version")
	s := source{server: harness.Start(t), plakar: harness.NewPlakar(t)}
	for _, db := range []string{"first", "other"} {
		s.server.Exec(t, "postgres", "CREATE DATABASE "+db)
		s.server.Exec(t, db, `CREATE TABLE t (x text); CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN NEW.x = 'changed'; RETURN NEW; END$$;
			CREATE TRIGGER stamp BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION stamp();
			CREATE MATERIALIZED VIEW empty AS SELECT * FROM t WITH NO DATA`)
	}
	s.server.Exec(t, "first", "SET session_replication_role = replica; INSERT INTO t VALUES ('saved')")
	s.plakar.SourceAdd("rows", s.server.URL("first"), "data_only=true", s.server.BinDirOption())
	s.plakar.DestinationAdd("dst", s.server.URL("other"), s.server.BinDirOption())
	s.snapshot = s.plakar.MustBackup("@rows")
	failed(t, s.plakar.Restore("@dst", s.snapshot, "-o", "recreate=true"), "rows only", "nothing was touched")
	for _, jobs := range []string{"1", "2"} {
		// Whether the view had rows, such a dump does not say.
		result := s.plakar.Restore("@dst", s.snapshot, "-o", "jobs="+jobs)
		ok(t, result)
		if m := result.Message(); !strings.Contains(m, "were not refreshed") || !strings.Contains(m, "public.empty") {
			t.Error(m)
		}
		query(t, s.server, "other", "SELECT x FROM t", "saved")
		s.server.Exec(t, "other", "TRUNCATE t")
	}
}
