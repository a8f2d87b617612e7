package manifest

import (
	"io/fs"
	"regexp"
	"strings"
	"testing"
)

func TestForMajor(t *testing.T) {
	const text = "-- comment\na\nb -- since 15\nc -- before 15\nd -- since 15 before 17\ne -- 15\n"
	for major, want := range map[int]string{14: "a c e", 15: "a b d e", 16: "a b d e", 17: "a b e"} {
		var got []string
		for line := range strings.Lines(forMajor(text, major)) {
			got = append(got, line[:1])
		}
		if strings.Join(got, " ") != want {
			t.Errorf("major %d: %v, want %s", major, got, want)
		}
	}
}

// What must never be selected, and what PostgreSQL 10 does not have.
func TestQueriesSelectNoSecrets(t *testing.T) {
	banned := regexp.MustCompile(`(?i)pg_authid|rolpassword|rolconfig|setconfig|umoptions|srvoptions|ftoptions|subconninfo|` +
		`pg_db_role_setting|pg_hba|MATERIALIZED AS`)
	files, err := fs.Glob(sqlFiles, "sql/*.sql")
	if err != nil || len(files) == 0 {
		t.Fatal(err, files)
	}
	for _, name := range files {
		text, _ := sqlFiles.ReadFile(name)
		if name == "sql/cluster_settings.sql" {
			// Only where the snapshot has the globals, which hold such settings as well.
			text = regexp.MustCompile(`pg_db_role_setting|setconfig`).ReplaceAll(text, nil)
		}
		if found := banned.Find(text); found != nil {
			t.Errorf("%s holds %s", name, found)
		}
	}
}
