package physical

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/PlakarKorp/integration-postgresql/internal/options"
)

func TestParseConf(t *testing.T) {
	got := parseConf([]byte("# data_directory = '/commented'\n  Data_Directory='/srv/it''s' # where\nhba_file \t'/etc/a\\'b'\nport = 5433\n" +
		"port=5434#again\nexternal_pid_file ''\ninclude_dir 'conf.d'\ncron.launch_active_jobs = on\n= nothing\n"))
	want := map[string]string{
		"data_directory": "/srv/it's", "hba_file": "/etc/a'b", "port": "5434", "external_pid_file": "", "include_dir": "conf.d", "cron.launch_active_jobs": "on",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestBlock(t *testing.T) {
	settings := []setting{{"restore_command", restoreCommand}}
	once := withBlock([]byte("a = 1"), settings)
	if want := "a = 1\n" + blockBegin + "\nrestore_command = '" + restoreCommand + "'\n" + blockEnd + "\n"; string(once) != want {
		t.Errorf("%s", once)
	}
	if twice := withBlock(once, settings); string(twice) != string(once) {
		t.Errorf("a second restore does not replace the lines of the first:\n%s", twice)
	}
	if got := string(withoutBlock(append(once, "b = 2\n"...))); got != "a = 1\nb = 2\n" {
		t.Errorf("%q", got)
	}
}

func TestOverrides(t *testing.T) {
	names := func(o options.PhysicalRestore) string {
		var all []string
		for _, s := range overrides(&o, baseStop(&o)) {
			all = append(all, s.line())
		}
		return strings.Join(all, "\n")
	}
	keep := names(options.PhysicalRestore{Settings: "keep"})
	if keep != "restore_command = "+quote(restoreCommand) {
		t.Error(keep)
	}
	for _, settings := range []string{"keep", "safe"} {
		text := names(options.PhysicalRestore{Settings: settings, RecoveryTarget: options.RecoveryTarget{Target: "immediate", Action: "pause"}})
		target := strings.Index(text, "recovery_target = 'immediate'")
		if target < strings.LastIndex(text, "recovery_target_lsn") || !strings.Contains(text, "recovery_target_action = 'pause'") || strings.Contains(text, "archive_mode") != (settings == "safe") {
			t.Errorf("settings=%s: %s", settings, text)
		}
	}
}

func TestUndo(t *testing.T) {
	text := undo(map[string]string{"archive_mode": "on", "primary_conninfo": "password=secret", "synchronous_standby_names": "it's"})
	for _, want := range []string{
		"ALTER SYSTEM SET archive_mode = 'on';", "ALTER SYSTEM SET synchronous_standby_names = 'it''s';",
		"ALTER SYSTEM SET primary_conninfo = '...';", "ALTER SYSTEM RESET max_logical_replication_workers;",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in %s", want, text)
		}
	}
	if strings.Contains(text, "secret") {
		t.Error(text)
	}
}

func TestShellQuote(t *testing.T) {
	for word, want := range map[string]string{"/a/b-c.d": "/a/b-c.d", "": "''", "a b": "'a b'", "it's": `'it'\''s'`, "$x": "'$x'"} {
		if got := shellQuote(word); got != want {
			t.Errorf("%q: %s, want %s", word, got, want)
		}
	}
}

// Lines that include other files are followed as far as these came with the backup.
func TestInclude(t *testing.T) {
	files := fstest.MapFS{}
	for name, text := range map[string]string{
		"postgresql.conf": "port = 1\ninclude 'more/a.conf'\ninclude_if_exists = 'nosuch.conf'\ninclude_if_exists '/etc/pg/b.conf'\ninclude_dir conf.d\n" +
			"include '../c.conf'\ninclude 'lost.conf'\ninclude_dir '/etc/pg/conf.d'\ninclude_dir 'lost.d'\ninclude 'more'\n",
		"more/a.conf": "port = 2\nhba_file = '/a'\ninclude 'b.conf'\n", "more/b.conf": "ident_file = '/b'\ninclude '../postgresql.conf'\n",
		"conf.d/1.conf": "port = 3\n", "conf.d/2.conf": "port = 4\n", "conf.d/.3.conf": "port = 5\n", "conf.d/4": "port = 6\n",
	} {
		files[name] = &fstest.MapFile{Data: []byte(text)}
	}
	c := &configuration{read: files.ReadFile, there: files, settings: make(map[string]string)}
	if err := c.file(mainConf, 0); err != nil {
		t.Fatal(err)
	}
	if want := map[string]string{"port": "4", "hba_file": "/a", "ident_file": "/b"}; !maps.Equal(c.settings, want) {
		t.Errorf("%v, want %v", c.settings, want)
	}
	slices.Sort(c.elsewhere)
	want := []string{"include '../c.conf'", "include 'lost.conf'", "include 'more'", "include_dir '/etc/pg/conf.d'", "include_dir 'lost.d'", "include_if_exists '/etc/pg/b.conf'"}
	if !slices.Equal(c.elsewhere, want) {
		t.Errorf("%q, want %q", c.elsewhere, want)
	}
}
