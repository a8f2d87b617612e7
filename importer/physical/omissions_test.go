package physical

import (
	"slices"
	"strings"
	"testing"

	"github.com/PlakarKorp/integration-postgresql/internal/replication"
)

// inLanguages are the server's message in the languages that it is translated to.
// Source: src/backend/po of PostgreSQL 15 to 18.
var inLanguages = map[string]string{
	"C": `skipping special file "%s"`, "de": "überspringe besondere Datei »%s«", "es": "omitiendo el archivo especial «%s»",
	"fr": "ignore le fichier spécial « %s »", "id": "melompati file spesial « %s »", "it": `file speciale "%s" saltato`,
	"ja": `スペシャルファイル"%s"をスキップしています`, "ka": `სპეციალური ფაილის გამოტოვება "%s"`, "ko": `"%s" 특수 파일을 건너뜀`,
	"pl": `pominięto plik specjalny "%s"`, "pt_BR": `ignorando arquivo especial "%s"`, "ru": `специальный файл "%s" пропускается`,
	"tr": `"%s" özel dosyası atlanıyor`, "zh_CN": `跳过特殊文件 "%s"`,
	"de in LATIN1": "\xfcberspringe besondere Datei \xbb%s\xab", "fr in LATIN1": "ignore le fichier sp\xe9cial \xab\xa0%s\xa0\xbb",
	"from pg_basebackup": `WARNING:  skipping special file "%s"`, "from pg_basebackup, de": "WARNUNG:  überspringe besondere Datei »%s«",
	"in no known quotation marks": "skipping ❮%s",
}

func TestOmittedName(t *testing.T) {
	l := newLayout([]replication.Tablespace{{OID: "16384", Location: "/srv/a b"}, {OID: "16385", Location: "pg_tblspc/16385"}})
	for path, want := range map[string]string{
		"./base/5": "base/5", "./base/5/16390.1": "base/5/16390.1", "./log": "log", `./what "is" it`: `what "is" it`, "./.s.PGSQL.5432": ".s.PGSQL.5432",
		"/srv/a b/PG_15_202209061/5/16390":        "pg_tblspc/16384/PG_15_202209061/5/16390",
		"pg_tblspc/16385/PG_15_202209061/5/16390": "pg_tblspc/16385/PG_15_202209061/5/16390",
		"/srv/other/file":                         "",
	} {
		for language, text := range inLanguages {
			if got := l.named(strings.Replace(text, "%s", path, 1)); got != want {
				t.Errorf("%s: %q gives %q, want %q", language, path, got, want)
			}
		}
	}
	for _, text := range []string{"", "nothing here", "the directory ../base/5", "see https://example.com/srv./base"} {
		if got := l.named(text); got != "" {
			t.Errorf("%q gives %q", text, got)
		}
	}
}

// What is an error, and what a warning.
func TestOmissions(t *testing.T) {
	for name, c := range map[string]struct {
		messages []string
		tool     bool     // they are lines on pg_basebackup's stderr
		lost     []string // what the error names; none for no error
		warned   []string
	}{
		"nothing":               {},
		"a database":            {messages: []string{`skipping special file "./base/5"`}, lost: []string{`"base/5"`}},
		"a database, tool":      {messages: []string{`WARNING:  skipping special file "./base/5"`}, tool: true, lost: []string{`"base/5"`}},
		"several":               {messages: []string{`x "./base/5"`, `x "./global/1260"`, `x "./log"`}, lost: []string{`"base/5"`, `"global/1260"`}, warned: []string{`"log"`}},
		"top directory":         {messages: []string{`x "./pg_xact"`}, lost: []string{`"pg_xact"`}},
		"of no use":             {messages: []string{`x "./.s.PGSQL.5432"`, `x "./pg_log"`, `x "./pg_hba.conf"`}, warned: []string{".s.PGSQL.5432", "pg_log", "pg_hba.conf"}},
		"another language":      {messages: []string{`etwas anderes`}, lost: []string{"etwas anderes"}},
		"tool, something else":  {messages: []string{`WARNING:  could not verify checksum in file "./base/1/1259", block 3`, "NOTICE:  all is well"}, tool: true},
		"tool, a directory":     {messages: []string{`"./base/1"`}, tool: true},
		"tablespace":            {messages: []string{`x "/srv/a/PG_15_1/5/7"`}, lost: []string{`"pg_tblspc/16384/PG_15_1/5/7"`}},
		"left over of restores": {messages: []string{`x "./tablespaces/16384/x"`, `x "./tablespaces"`}, warned: []string{`"tablespaces/16384/x"`, `"tablespaces"`}},
		"in a restored cluster": {messages: []string{`x "./tablespaces/16386/PG_15_1/x"`}, lost: []string{`"tablespaces/16386/PG_15_1/x"`}},
	} {
		t.Run(name, func(t *testing.T) {
			e := newRecordEmitter(t.Context(), nil, nil, "1", []replication.Tablespace{{OID: "16384", Location: "/srv/a"}})
			e.directories["/base/1"] = true
			if err := e.check.add("base/1/1259", newChecksums().file()); err != nil {
				t.Fatal(err)
			}
			o := &omissions{certain: !c.tool}
			for _, m := range c.messages {
				o.add(m)
			}
			s := new(server)
			err := s.judge(o, e)
			if (err != nil) != (len(c.lost) > 0) || len(s.warnings) != len(c.warned) {
				t.Fatalf("error %v, warnings %q", err, s.warnings)
			}
			for _, lost := range c.lost {
				if !strings.Contains(err.Error(), lost) {
					t.Errorf("%q is not in: %v", lost, err)
				}
			}
			for _, text := range c.warned {
				if !slices.ContainsFunc(s.warnings, func(w string) bool { return strings.Contains(w, text) }) {
					t.Errorf("%q is not in: %q", text, s.warnings)
				}
			}
		})
	}
}

func TestManyOmissions(t *testing.T) {
	e := newRecordEmitter(t.Context(), nil, nil, "1", nil)
	o := &omissions{certain: true}
	for range maxOmissions + 5 {
		o.add(`x "./log/socket"`)
	}
	if err := new(server).judge(o, e); err == nil || !strings.Contains(err.Error(), "5 more") {
		t.Errorf("messages that were not looked at: %v", err)
	}
}
