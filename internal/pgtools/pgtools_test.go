package pgtools

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/PlakarKorp/integration-postgresql/internal/options"
)

func TestDumpArgs(t *testing.T) {
	for name, c := range map[string]struct {
		o    options.Import
		want []string
	}{
		"plain":       {options.Import{}, []string{"--compress=0"}},
		"compress":    {options.Import{Compress: "gzip"}, nil},
		"zstd":        {options.Import{Compress: "zstd"}, []string{"--compress=zstd"}},
		"schema only": {options.Import{SchemaOnly: true}, []string{"--compress=0", "--schema-only"}},
		"data only":   {options.Import{DataOnly: true}, []string{"--compress=0", "--data-only"}},
		"locks":       {options.Import{LockTimeout: 90 * time.Second}, []string{"--compress=0", "--lock-wait-timeout=90000ms"}},
		"patterns": {
			options.Import{
				Schemas: []string{"-a", "b"}, ExcludeSchemas: []string{"c"}, Tables: []string{`"T"`},
				ExcludeTables: []string{"d"}, ExcludeTableData: []string{"e"},
			},
			[]string{"--compress=0", "--strict-names", "--schema=-a", "--schema=b", "--exclude-schema=c", `--table="T"`, "--exclude-table=d", "--exclude-table-data=e"},
		},
	} {
		want := append([]string{"--format=custom", "--no-password", "--dbname=dbname='x'"}, c.want...)
		if diff := cmp.Diff(want, DumpArgs(&c.o, "dbname='x'")); diff != "" {
			t.Errorf("%s: -want +got\n%s", name, diff)
		}
	}
}

func TestStatisticsArgs(t *testing.T) {
	for name, c := range map[string]struct {
		o     options.Import
		major int
		want  []string
	}{
		"18":           {options.Import{}, 18, []string{"--statistics"}},
		"17":           {options.Import{}, 17, nil},
		"schema only":  {options.Import{SchemaOnly: true}, 18, nil}, // pg_dump refuses both
		"data only":    {options.Import{DataOnly: true}, 18, nil},
		"without rows": {options.Import{ExcludeTableData: []string{"secret"}}, 18, nil},
	} {
		if diff := cmp.Diff(c.want, StatisticsArgs(&c.o, c.major)); diff != "" {
			t.Errorf("%s: -want +got\n%s", name, diff)
		}
	}
}

func TestPartArgs(t *testing.T) {
	for name, c := range map[string]struct {
		o    options.Import
		p    Part
		want []string
	}{
		"section": {
			options.Import{LockTimeout: time.Second}, Part{Section: "pre-data", Snapshot: "1-2-3", LockTimeout: time.Minute},
			[]string{"--lock-wait-timeout=1000ms", "--section=pre-data", "--snapshot=1-2-3"},
		},
		"table": {
			options.Import{}, Part{Section: "data", Snapshot: "s", Table: Pattern(`a"b`, "c.*"), LockTimeout: time.Minute, Encoding: "UTF8"},
			[]string{"--lock-wait-timeout=60000ms", "--section=data", "--snapshot=s", `--table="a""b"."c.*"`},
		},
		"the others": {
			options.Import{ExcludeTableData: []string{"e"}}, Part{Section: "data", Snapshot: "s", Without: []string{"a", "b"}},
			[]string{"--exclude-table-data=e", "--section=data", "--snapshot=s", "--exclude-table=a", "--exclude-table=b"},
		},
		"empty": {options.Import{}, Part{Section: "data", Snapshot: "s", Empty: true}, []string{"--section=data", "--snapshot=s", "--schema-only", "--exclude-table=*.*"}},
		"encoding": {
			options.Import{}, Part{Section: "data", Snapshot: "s", Table: "\xfc", Encoding: "LATIN1"},
			[]string{"--section=data", "--snapshot=s", "--table=\xfc", "--encoding=LATIN1"},
		},
		// Whoever is in the way waits for the backup.
		"patient": {
			options.Import{LockTimeout: 2 * time.Hour}, Part{Section: "data", Snapshot: "s", LockTimeout: time.Minute},
			[]string{"--lock-wait-timeout=60000ms", "--section=data", "--snapshot=s"},
		},
	} {
		want := append([]string{"--format=custom", "--no-password", "--dbname=dbname='x'", "--compress=0"}, c.want...)
		if diff := cmp.Diff(want, PartArgs(&c.o, c.p, "dbname='x'")); diff != "" {
			t.Errorf("%s: -want +got\n%s", name, diff)
		}
	}
}

func TestBasebackupArgs(t *testing.T) {
	want := []string{
		"--pgdata=-", "--format=tar", "--wal-method=fetch", "--no-password",
		"--checkpoint=spread", "--label=l", "--dbname=dbname='replication'", "--max-rate=2048",
	}
	o := &options.Physical{Checkpoint: "spread", MaxRate: "2M"}
	if diff := cmp.Diff(want, BasebackupArgs(o, "l", "dbname='replication'")); diff != "" {
		t.Error(diff)
	}
}

func TestRestoreArgs(t *testing.T) {
	for name, c := range map[string]struct {
		o    options.Export
		r    Restore
		want []string
	}{
		"stream":     {options.Export{}, Restore{}, []string{"--format=custom"}},
		"filled":     {options.Export{}, Restore{Filled: true}, []string{"--no-data-for-failed-tables", "--format=custom"}},
		"clean":      {options.Export{}, Restore{Clean: true, Filled: true}, []string{"--clean", "--if-exists", "--no-data-for-failed-tables", "--format=custom"}},
		"part":       {options.Export{Tables: []string{"t"}}, Restore{List: "/l"}, []string{"--use-list=/l", "--format=custom"}},
		"clean part": {options.Export{}, Restore{Clean: true, File: "/f"}, []string{"--clean", "--if-exists", "--format=custom", "/f"}},
		"data":       {options.Export{DataOnly: true}, Restore{Filled: true}, []string{"--data-only", "--format=custom"}},
		"all": {
			options.Export{NoOwner: true, NoPrivileges: true, SchemaOnly: true, ExitOnError: true, Schemas: []string{"s"}, Tables: []string{"-t"}},
			Restore{File: "/f", Jobs: 4},
			[]string{"--no-owner", "--no-privileges", "--schema-only", "--exit-on-error", "--jobs=4", "--format=custom", "/f"},
		},
	} {
		want := append([]string{"--no-password", "--dbname=dbname='x'"}, c.want...)
		if diff := cmp.Diff(want, RestoreArgs(&c.o, c.r, "dbname='x'")); diff != "" {
			t.Errorf("%s: -want +got\n%s", name, diff)
		}
	}
}

func TestChoose(t *testing.T) {
	sets := []Installation{{Dir: "a", Major: 15}, {Dir: "b", Major: 18}, {Dir: "c", Major: 17}, {Dir: "d", Major: 17}}
	for major, want := range map[int]string{13: "a", 15: "a", 16: "c", 17: "c", 18: "b", 19: ""} {
		if got, ok := choose(sets, major); got.Dir != want || ok != (want != "") {
			t.Errorf("for %d: %q, want %q", major, got.Dir, want)
		}
	}
}

func TestParseVersion(t *testing.T) {
	for out, want := range map[string]Installation{
		"pg_dump (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n": {Version: "15.18", Major: 15},
		"pg_dump (PostgreSQL) 19beta2\n":                        {Version: "19beta2", Major: 19},
		"pg_dump (PostgreSQL) 9.6.24\n":                         {Version: "9.6.24", Major: 9},
		"pg_dump: nonsense":                                     {},
		"":                                                      {},
	} {
		version, major, err := parseVersion(out)
		if version != want.Version || major != want.Major || (err != nil) != (want.Major == 0) {
			t.Errorf("parseVersion(%q) = %q, %d, %v", out, version, major, err)
		}
	}
}

// TestFind runs directories with tools that print a version.
func TestFind(t *testing.T) {
	dir := t.TempDir()
	tool := func(name, text string) {
		script := "#!/bin/sh\necho '" + name + " (PostgreSQL) " + text + "'\n"
		if err := os.WriteFile(filepath.Join(dir, name), []byte(script), 0o700); err != nil { // #nosec G306 -- has to be executable
			t.Fatal(err)
		}
	}
	tool(PgDump, "15.18")
	ctx := context.Background()
	if _, err := Find(ctx, dir, 15, 0, PgDump, PgDumpall); err == nil || !strings.Contains(err.Error(), PgDumpall) || !strings.Contains(err.Error(), "pg_bin_dir") {
		t.Errorf("a missing tool: %v", err)
	}
	tool(PgDumpall, "15.18")
	got, err := Find(ctx, dir, 15, 0, PgDump, PgDumpall)
	if diff := cmp.Diff(Installation{Dir: dir, Major: 15, Version: "15.18"}, got); err != nil || diff != "" {
		t.Errorf("%v: -want +got\n%s", err, diff)
	}
	_, err = Find(ctx, dir, 17, 0, PgDump, PgDumpall)
	for _, want := range []string{"17", "15.18", "pg_bin_dir"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("an old tool: %v lacks %q", err, want)
		}
	}
	// A program is asked once: this one would say something else by now.
	finder := NewFinder(dir)
	for _, version := range []string{"16.1", "17.2"} {
		tool(PgDump, version)
		got, err := finder.Find(ctx, 15, 0, PgDump)
		if err != nil || got.Version != "16.1" {
			t.Errorf("asked again: %+v, %v", got, err)
		}
	}
	if _, err := Find(ctx, filepath.Join(dir, "nowhere"), 15, 0, PgDump); err == nil {
		t.Error("a directory that does not exist is accepted")
	}
}
