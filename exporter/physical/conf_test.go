package physical

import (
	"strings"
	"testing"

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
