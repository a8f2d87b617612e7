//go:build linux

package faults

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/PlakarKorp/integration-postgresql/tests/harness"
)

// altered saves the files of the snapshot with one thing changed, to be
// restored in its place.
func (s *scene) altered(change func(files map[string]string)) {
	s.Helper()
	own, snapshot := s.plakar.Store, s.snapshot
	if snapshot == "" {
		s.plakar.Store, snapshot = s.stage.store, s.stage.snapshot
	}
	files := make(map[string]string)
	for _, path := range s.plakar.Ls(snapshot) {
		files[path] = string(s.plakar.Cat(snapshot, path))
	}
	s.plakar.Store = own
	change(files)
	dir := s.TempDir()
	for path, text := range files {
		must(s, os.WriteFile(filepath.Join(dir, path), []byte(text), 0o600))
	}
	s.snapshot = s.plakar.MustBackup(dir) + ":" + dir
}

// replaced changes the text of the dump.
func replaced(from, to string) func(s *scene) {
	return func(s *scene) {
		s.Helper()
		s.altered(func(files map[string]string) {
			if !strings.Contains(files[dumpFile], from) {
				s.Fatalf("the dump has no %q", from)
			}
			files[dumpFile] = strings.ReplaceAll(files[dumpFile], from, to)
		})
	}
}

const (
	dumpFile    = "/00001-origin.dump"
	globalsFile = "/00000-globals.sql"
)

var contentFaults = []fault{
	{
		name: "restore, damaged dump", what: "the dump is damaged in its middle",
		exit: 1, says: []string{broken, "pg_restore"}, target: outcome{"what came before the damage", func(s *scene) { s.finds("SELECT x FROM other", "7") }},
		do: plainRestore(func(s *scene) {
			s.altered(func(files map[string]string) {
				text := []byte(files[dumpFile])
				for i := range 4096 {
					text[len(text)/2+i] ^= 0xff
				}
				files[dumpFile] = string(text)
			})
		}),
	},
	{
		name: "restore, short dump", what: "the end of the dump is missing",
		exit: 1, says: []string{broken, "pg_restore", "end of file"}, target: outcome{"what was there", holds("0", "7", "")},
		do: plainRestore(func(s *scene) {
			s.altered(func(files map[string]string) { files[dumpFile] = files[dumpFile][:len(files[dumpFile])/2] })
		}),
	},
	{
		name: "restore, no dump", what: "a file that should be a dump is something else",
		exit: 1, says: []string{broken, "the dump is damaged", "does not begin like an archive of pg_dump"}, target: nothingOfIt,
		do: plainRestore(func(s *scene) {
			s.altered(func(files map[string]string) { files[dumpFile] = "hello" })
		}),
	},
	{
		name: "restore, unexpected file", what: "the snapshot has a file that no backup of PostgreSQL has",
		exit: 1, says: []string{"notes.txt is not part of a PostgreSQL backup"}, target: outcome{"everything else", everything.check},
		do: plainRestore(func(s *scene) {
			s.altered(func(files map[string]string) { files["/notes.txt"] = "hello" })
		}),
	},
	{
		name: "restore, dump missing", what: "the snapshot lacks a dump that its manifest names",
		exit: 1, says: []string{`the snapshot lacks the dump of "lost"`, "hint:"}, target: outcome{"everything else", everything.check},
		do: func(s *scene) harness.Result {
			s.altered(func(files map[string]string) {
				files["/manifest.json"] = `{"version": 2, "files": [{"path": "/00002-lost.dump", "database": "lost"}]}`
			})
			s.plakar.DestinationAdd("dst", s.url(nil), s.with(nil)...)
			return s.end(s.restore())
		},
	},
	{
		name: "restore, later manifest", what: "the manifest is of a version that this package does not know",
		exit: 1, says: []string{"reading the manifest: its version is 3, only version 2 is understood"}, target: everything,
		do: plainRestore(func(s *scene) {
			s.altered(func(files map[string]string) {
				files["/manifest.json"] = `{"version": 3}`
			})
		}),
	},
	{
		name: "restore, physical snapshot", what: "a physical snapshot (`postgres+bin://`) is restored through `postgres://`",
		exit: 1, says: []string{"this is a physical backup", "hint: restore it into a directory"}, target: nothingMade,
		do: plainRestore(func(s *scene) {
			s.altered(func(files map[string]string) {
				clear(files)
				files["/PG_VERSION"], files["/postgresql.auto.conf"] = "15\n", ""
			})
		}),
	},
	{
		name: "restore, several dumps into one", what: "the snapshot has several dumps, and `database` names one target",
		exit: 1, says: []string{"the snapshot has several dumps (origin, second)", "nothing was restored", "hint:"}, target: nothingMade,
		do: func(s *scene) harness.Result {
			s.altered(func(files map[string]string) { files["/00002-second.dump"] = files[dumpFile] })
			s.plakar.DestinationAdd("dst", s.url(nil), s.with(nil)...)
			return s.end(s.restore())
		},
	},
}
