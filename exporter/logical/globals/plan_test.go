package globals

import (
	"context"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/PlakarKorp/integration-postgresql/internal/sqlscript"
)

const script = `--
-- Roles; the "odd" one's
--
\restrict abc'def
SET default_transaction_read_only = off;
CREATE ROLE me;
ALTER ROLE me WITH SUPERUSER
  PASSWORD 'x;y';
CREATE ROLE "me too";
ALTER ROLE "me too" WITH LOGIN PASSWORD 'it''s; ALTER ROLE me WITH';
COMMENT ON ROLE "o'brien;" IS E'a \\
ALTER ROLE me WITH NOLOGIN;
b';
ALTER ROLE me SET work_mem TO '1MB';
ALTER ROLE "me" WITH LOGIN;
alter user U&"m\0065" PASSWORD 'z';
ALTER ROLE current_user PASSWORD 'z';
ALTER ROLE "ME" WITH LOGIN;
ALTER ROLE mean WITH LOGIN SUPERUSER;
GRANT mean TO me GRANTED BY boss;
CREATE TABLESPACE fast LOCATION '/fast';
SET SESSION AUTHORIZATION boss;
GRANT SET ON PARAMETER work_mem TO mean;
RESET SESSION AUTHORIZATION;
SET SESSION AUTHORIZATION "me too";
GRANT CREATE ON TABLESPACE fast TO "me too";
RESET SESSION AUTHORIZATION;
\unrestrict abc
`

func read(t *testing.T, o Options) *Globals {
	t.Helper()
	g, err := Read(strings.NewReader(script+scriptEnd+"\n"), o)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func texts(statements []sqlscript.Statement) []string {
	var all []string
	for _, s := range statements {
		all = append(all, s.SQL)
	}
	return all
}

func TestChooseAll(t *testing.T) {
	g := read(t, Options{})
	want := []string{
		"CREATE ROLE me",
		`CREATE ROLE "me too"`,
		`ALTER ROLE "me too" WITH LOGIN PASSWORD 'it''s; ALTER ROLE me WITH'`,
		"COMMENT ON ROLE \"o'brien;\" IS E'a \\\\\nALTER ROLE me WITH NOLOGIN;\nb'",
		`ALTER ROLE "ME" WITH LOGIN`,
		"ALTER ROLE mean WITH LOGIN SUPERUSER",
		"GRANT mean TO me GRANTED BY boss",
		"CREATE TABLESPACE fast LOCATION '/fast'",
		"SET SESSION AUTHORIZATION boss", "GRANT SET ON PARAMETER work_mem TO mean", "RESET SESSION AUTHORIZATION",
		`SET SESSION AUTHORIZATION "me too"`, `GRANT CREATE ON TABLESPACE fast TO "me too"`, "RESET SESSION AUTHORIZATION",
	}
	if diff := cmp.Diff(want, texts(g.chooseLocked([]string{"me", "me"}))); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	if diff := cmp.Diff([]string{"ALTER ROLE me SET work_mem TO '1MB'"}, texts(g.last)); diff != "" {
		t.Errorf("last: -want +got\n%s", diff)
	}
	if again := texts(g.chooseLocked([]string{"me"})); len(again) > 0 {
		t.Errorf("twice: %q", again)
	}
}

// What is there is left alone, in whatever statement it is.
func TestChooseMissing(t *testing.T) {
	g := read(t, Options{Missing: true})
	g.there = &Needs{Roles: map[string]bool{"me": true, "me too": true, "ME": true}, Tablespaces: map[string]bool{"fast": true}}
	want := []string{
		"COMMENT ON ROLE \"o'brien;\" IS E'a \\\\\nALTER ROLE me WITH NOLOGIN;\nb'",
		"ALTER ROLE mean WITH LOGIN SUPERUSER",
		"SET SESSION AUTHORIZATION boss", "GRANT SET ON PARAMETER work_mem TO mean", "RESET SESSION AUTHORIZATION",
	}
	if diff := cmp.Diff(want, texts(g.chooseLocked([]string{"me"}))); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	if len(g.last) > 0 {
		t.Errorf("last: %q", texts(g.last))
	}
}

// Of a part of a snapshot only what it needs is made, and without powers.
func TestChooseNeeded(t *testing.T) {
	g := read(t, Options{Missing: true, Selected: true})
	g.there = &Needs{Roles: map[string]bool{"me": true}}
	if none := texts(g.chooseLocked([]string{"me"})); len(none) > 0 {
		t.Errorf("nothing is needed: %q", none)
	}
	g.needed.Roles["mean"] = true
	if diff := cmp.Diff([]string{"ALTER ROLE mean WITH LOGIN "}, texts(g.chooseLocked([]string{"me"}))); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	g.needed.Roles["me too"], g.needed.Tablespaces["fast"] = true, true
	want := []string{
		`CREATE ROLE "me too"`,
		`ALTER ROLE "me too" WITH LOGIN PASSWORD 'it''s; ALTER ROLE me WITH'`,
		"CREATE TABLESPACE fast LOCATION '/fast'",
		`SET SESSION AUTHORIZATION "me too"`, `GRANT CREATE ON TABLESPACE fast TO "me too"`, "RESET SESSION AUTHORIZATION",
	}
	if diff := cmp.Diff(want, texts(g.chooseLocked([]string{"me"}))); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

// Nor does a role get powers by the statement that creates it, which pg_dumpall does not write so.
func TestReduceCreate(t *testing.T) {
	for _, c := range []struct {
		selected bool
		want     string
	}{{true, "CREATE ROLE boss LOGIN  "}, {false, "CREATE ROLE boss LOGIN SUPERUSER BYPASSRLS"}} {
		g, err := Read(strings.NewReader("CREATE ROLE boss LOGIN SUPERUSER BYPASSRLS;"+scriptEnd+"\n"), Options{Missing: true, Selected: c.selected})
		if err != nil {
			t.Fatal(err)
		}
		g.there = &Needs{}
		g.needed.Roles["boss"] = true
		if diff := cmp.Diff([]string{c.want}, texts(g.chooseLocked([]string{"me"}))); diff != "" {
			t.Errorf("selected %t: -want +got\n%s", c.selected, diff)
		}
	}
}

// Nor does a role come by a membership, or another role by one in it, that was not asked for.
func TestMembersOfCreate(t *testing.T) {
	const script = "CREATE ROLE boss; CREATE ROLE x LOGIN IN ROLE boss, pg_write_server_files ROLE old ADMIN y; CREATE ROLE y IN ROLE x; ALTER GROUP x ADD USER old;"
	for _, c := range []struct {
		o      Options
		needed []string
		want   []string
	}{
		{Options{}, nil, []string{"CREATE ROLE boss", "CREATE ROLE x LOGIN   ", "GRANT boss, pg_write_server_files TO x", "GRANT x TO old", "GRANT x TO y WITH ADMIN OPTION", "CREATE ROLE y ", "GRANT x TO y", "ALTER GROUP x ADD USER old"}},
		{Options{Missing: true}, nil, []string{"CREATE ROLE boss", "CREATE ROLE x LOGIN   ", "GRANT boss, pg_write_server_files TO x", "GRANT x TO y WITH ADMIN OPTION", "CREATE ROLE y ", "GRANT x TO y"}},
		{Options{Missing: true, Selected: true}, []string{"x", "old"}, []string{"CREATE ROLE x LOGIN   "}},
		{Options{Missing: true, Selected: true}, []string{"x", "y", "boss"}, []string{"CREATE ROLE boss", "CREATE ROLE x LOGIN   ", "GRANT x TO y WITH ADMIN OPTION", "CREATE ROLE y ", "GRANT x TO y"}},
	} {
		g, err := Read(strings.NewReader(script+scriptEnd+"\n"), c.o)
		if err != nil {
			t.Fatal(err)
		}
		g.there = &Needs{Roles: map[string]bool{"old": true}}
		for _, name := range c.needed {
			g.needed.Roles[name] = true
		}
		if diff := cmp.Diff(c.want, texts(g.chooseLocked([]string{"me"}))); diff != "" {
			t.Errorf("%+v, %q: -want +got\n%s", c.o, c.needed, diff)
		}
	}
}

func TestRead(t *testing.T) {
	for content, want := range map[string]string{
		"":                                      "their end is missing",
		"CREATE ROLE x;\n":                      "their end is missing",
		"CREATE ROLE x;\n\\! touch y\n":         "line 2 of the script: a command to psql",
		"\n-- User Config \"x\n\\! touch y\"\n": "line 3 of the script: a command to psql",
		"CREATE ROLE \"x":                       "a quotation is not closed",
	} {
		end := ""
		if want != "their end is missing" {
			end = scriptEnd
		}
		if _, err := Read(strings.NewReader(content+end), Options{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v; want %q", content, err, want)
		}
	}
	// What plakar sends is read with a bound.
	endless := &zeros{}
	if _, err := Read(endless, Options{}); err == nil || !strings.Contains(err.Error(), "larger than 64 MiB") || endless.read > maxSize+1<<20 {
		t.Errorf("%d bytes of an endless script were read: %v", endless.read, err)
	}
}

// zeros never ends.
type zeros struct{ read int }

func (z *zeros) Read(p []byte) (int, error) {
	clear(p)
	z.read += len(p)
	return len(p), nil
}

// Without a membership that may be wrong, nothing is asked of the server.
func TestFinishWithoutSettings(t *testing.T) {
	if err := read(t, Options{}).Finish(context.Background(), nil); err != nil {
		t.Error(err)
	}
}
