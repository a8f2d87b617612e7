package settings

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/PlakarKorp/integration-postgresql/tests/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }

// A server of a new version with a setting that nobody has decided about fails this test:
// it belongs into Pinned or into left.
func TestEverySettingIsDecided(t *testing.T) {
	harness.EachMajor(t, func(t *testing.T, major int) {
		conn := harness.Start(t, harness.Major(major)).Connect(t, "postgres")
		rows, err := conn.Query(context.Background(), "SELECT category, name FROM pg_settings WHERE context NOT IN ('internal', 'postmaster', 'sighup') ORDER BY name")
		if err != nil {
			t.Fatal(err)
		}
		type setting struct{ Category, Name string }
		there, err := pgx.CollectRows(rows, pgx.RowToStructByPos[setting])
		if err != nil || len(there) < 100 {
			t.Fatalf("%d settings, %v", len(there), err)
		}
		for _, s := range there {
			pinned := slices.ContainsFunc(Pinned, func(p Setting) bool { return p.Name == s.Name })
			if _, ok := Left(s.Name); ok == pinned {
				t.Errorf("PostgreSQL %d: is %s (%s) pinned or left? pinned %v, left %v", major, s.Name, s.Category, pinned, ok)
			}
		}
	})
}

// What the table says of a setting is so: its first version, who may set it, and how the
// server shows the value.
func TestPinnedAsServersKnowThem(t *testing.T) {
	harness.EachMajor(t, func(t *testing.T, major int) {
		server := harness.Start(t, harness.Major(major))
		known := make(map[string]string)
		for line := range strings.Lines(server.QueryText(t, "postgres", "SELECT name, context FROM pg_settings")) {
			name, context, _ := strings.Cut(strings.TrimSpace(line), "|")
			known[name] = context
		}
		var here []Setting
		for _, s := range Pinned {
			context, there := known[s.Name]
			if there != (s.Since <= major) && s.Name != "restrict_nonsystem_relation_kind" {
				t.Errorf("%s in version %d: %v", s.Name, major, there)
			}
			if !there {
				continue
			}
			here = append(here, s)
			if (context == "superuser") != s.Privileged || (context == "backend") != s.AtStart {
				t.Errorf("%s: context %s", s.Name, context)
			}
		}
		cfg, err := pgx.ParseConfig(server.URL("postgres"))
		if err != nil {
			t.Fatal(err)
		}
		cfg.RuntimeParams["options"] = Options(here, "-c work_mem=1234kB -cDateStyle=SQL,\\ DMY")
		conn, err := pgx.ConnectConfig(context.Background(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close(context.Background()) }()
		for _, s := range append(here, Setting{Name: "work_mem", Value: "1234"}) {
			want := s.Value
			if s.Name == "DateStyle" {
				want = "SQL, DMY" // the user's comes last
			}
			var got string
			if err := conn.QueryRow(context.Background(), "SELECT setting FROM pg_settings WHERE name = $1", s.Name).Scan(&got); err != nil || got != want {
				t.Errorf("%s = %q, want %q: %v", s.Name, got, want, err)
			}
		}
	})
}

// The first session is given what version 10 knows, to a role without privileges.
func TestBase(t *testing.T) {
	for _, s := range Base() {
		if s.Since > oldest || s.Privileged {
			t.Errorf("%s is given to servers or roles that refuse it", s.Name)
		}
	}
	if len(Base()) < 20 {
		t.Errorf("only %d settings", len(Base()))
	}
}

func TestParse(t *testing.T) {
	for options, want := range map[string]map[string]string{
		"":                          {},
		"-c a=1":                    {"a": "1"},
		"-ca=1 --b-c=x":             {"a": "1", "b_c": "x"},
		`-c DateStyle=ISO,\ DMY`:    {"datestyle": "ISO, DMY"},
		`  -c	x=back\\slash  -c y=`: {"x": `back\slash`, "y": ""},
		"-c":                        {},
		"-e -c a=1 -c a=2":          {"a": "2"},
	} {
		if diff := cmp.Diff(want, Parse(options)); diff != "" {
			t.Errorf("%q: -want +got\n%s", options, diff)
		}
	}
	for _, s := range Pinned {
		if got := Parse(Options([]Setting{s}, ""))[strings.ToLower(s.Name)]; got != s.Value {
			t.Errorf("%s = %q is read as %q", s.Name, s.Value, got)
		}
	}
	if left := Without(Base(), Parse("-c datestyle=German")); len(left) != len(Base())-1 {
		t.Errorf("%d of %d are left", len(left), len(Base()))
	}
}

// docs/settings.md has the table that users read.
func TestDocument(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(harness.Root(), "docs", "settings.md"))
	if err != nil {
		t.Fatal(err)
	}
	rows := 0
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "| `") {
			rows++
		}
	}
	if rows != len(Pinned) {
		t.Errorf("%d rows for %d settings", rows, len(Pinned))
	}
	for _, s := range Pinned {
		value, servers := "empty", "all"
		if s.Value != "" {
			value = "`" + s.Value + "`"
		}
		if s.Since > 0 {
			servers = fmt.Sprintf("%d and later", s.Since)
		}
		if s.Privileged {
			servers += "; where the role may set it"
		}
		if row := fmt.Sprintf("| `%s` | %s | %s", s.Name, value, servers); !strings.Contains(string(text), row) {
			t.Errorf("the row %q is missing", row)
		}
		if s.Matters && strings.Count(string(text), "`"+s.Name+"`") < 2 {
			t.Errorf("%s is not said to matter with a pooler", s.Name)
		}
	}
}
