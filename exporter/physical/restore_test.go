package physical

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"maps"
	"math/bits"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/PlakarKorp/kloset/connectors"
	"github.com/PlakarKorp/kloset/objects"

	"github.com/PlakarKorp/integration-postgresql/internal/options"
	"github.com/PlakarKorp/integration-postgresql/manifest"
)

const segment = "pg_wal/000000010000000000000002"

// snapshot is a small physical backup: the content of files by name, and links by name.
type snapshot struct {
	files map[string]string
	links map[string]string
	modes map[string]fs.FileMode // of directories, if not 0750
}

func newSnapshot() *snapshot {
	return &snapshot{
		files: map[string]string{
			"PG_VERSION": "17\n", "backup_label": "label", "base/1/1259": "pages", "base/1/1260": "", "global/pg_control": "control",
			"postgresql.auto.conf": "work_mem = '8MB'\n", "postgresql.conf": "", segment: strings.Repeat("w", 1<<20),
			"tablespaces/16384/PG_17_1/5": "far",
			"manifest.json": `{"version": 2, "connector": "postgres+bin", "dump_format": "basebackup", "tablespaces": [{"oid": 16384, "name": "fast", "location": "/srv/fast"}],
				"base": {"start_lsn": "0/200028", "end_lsn": "0/200100", "timeline": 1, "end_time": null}, "databases": []}`,
		},
		links: map[string]string{"pg_tblspc/16384": "../tablespaces/16384"},
	}
}

// sign adds the backup manifest of what there is.
func (s *snapshot) sign() *snapshot {
	var list []map[string]any
	for name, content := range s.files {
		if name == "manifest.json" || strings.HasPrefix(name, walDir) {
			continue
		}
		name = strings.Replace(name, "tablespaces/", "pg_tblspc/", 1)
		sum := crc32.Checksum([]byte(content), castagnoli)
		list = append(list, map[string]any{"Path": name, "Size": len(content), "Checksum-Algorithm": "CRC32C", "Checksum": fmt.Sprintf("%08x", bits.ReverseBytes32(sum))})
	}
	text, _ := json.Marshal(list)
	body := fmt.Sprintf("{\"Files\": %s,\n\"WAL-Ranges\": [{\"Timeline\": 1, \"Start-LSN\": \"0/200028\", \"End-LSN\": \"0/200100\"}],\n", text)
	sum := sha256.Sum256([]byte(body))
	s.files["backup_manifest"] = fmt.Sprintf("%s\"Manifest-Checksum\": \"%s\"}\n", body, hex.EncodeToString(sum[:]))
	return s
}

var modified = time.Unix(1_700_000_000, 0)

// restore gives the snapshot to a restore as plakar does.
func (s *snapshot) restore(t *testing.T, o options.PhysicalRestore, before func(dir string)) (dir string, err error) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "data")
	o.Location = "postgres+bin://" + dir
	if o.Settings == "" {
		o.Settings = "safe"
	}
	if os.Getuid() == 0 {
		o.Owner = "12345:12345"
	}
	r, err := beginBase(&o, dir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { err = errors.Join(err, r.close()) }()
	names := map[string]bool{".": true}
	for name := range maps.Keys(s.files) {
		for ; name != "."; name = path.Dir(name) {
			names[name] = true
		}
	}
	for name := range s.links {
		names[name], names[path.Dir(name)] = true, true
	}
	// Names within a directory are sorted, and what is in a directory comes behind it.
	order := slices.SortedFunc(maps.Keys(names), func(a, b string) int {
		return slices.Compare(strings.Split(a, "/"), strings.Split(b, "/"))
	})
	var problems []error
	for _, name := range order {
		if before != nil {
			before(dir)
		}
		problem, err := r.record(s.record(name))
		if err != nil {
			return dir, err
		}
		problems = append(problems, problem)
	}
	return dir, errors.Join(append(problems, r.finish(t.Context()))...)
}

func (s *snapshot) record(name string) (*connectors.Record, *strings.Reader) {
	record := &connectors.Record{Pathname: path.Join("/", name), FileInfo: objects.FileInfo{Lname: path.Base(name), LmodTime: modified}}
	content, isFile := s.files[name]
	target, isLink := s.links[name]
	switch {
	case isFile:
		record.FileInfo.Lmode = 0o640
	case isLink:
		record.FileInfo.Lmode, record.Target = fs.ModeSymlink|0o777, target
	default:
		record.FileInfo.Lmode = fs.ModeDir | cmp.Or(s.modes[name], 0o750)
	}
	return record, strings.NewReader(content)
}

func TestRestoreComplete(t *testing.T) {
	fast, wal := filepath.Join(t.TempDir(), "fast"), filepath.Join(t.TempDir(), "wal")
	for _, tablespaces := range [][]string{nil, {"fast=" + fast}, {"16384=" + fast}, {"/srv/fast=" + fast}} {
		_ = os.RemoveAll(fast)
		_ = os.RemoveAll(wal)
		dir, err := newSnapshot().sign().restore(t, options.PhysicalRestore{Tablespaces: tablespaces, WALDir: wal}, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"base/1/1259", "global/pg_control", "base", ".", recoverySignal, autoConf} {
			info, err := os.Stat(filepath.Join(dir, name))
			if err != nil {
				t.Fatal(err)
			}
			if want := fs.FileMode(0o640); info.Mode().IsRegular() && info.Mode() != want || info.IsDir() && info.Mode().Perm() != 0o750 {
				t.Errorf("%s: mode %v", name, info.Mode())
			}
			if ours := name == recoverySignal || name == autoConf; name != "." && !ours && !info.ModTime().Equal(modified) {
				t.Errorf("%s: time %v", name, info.ModTime())
			}
		}
		if text, err := os.ReadFile(filepath.Join(dir, "pg_tblspc/16384/PG_17_1/5")); err != nil || string(text) != "far" {
			t.Errorf("tablespaces=%v: %q %v", tablespaces, text, err)
		}
		if text, err := os.ReadFile(filepath.Join(dir, "postgresql.auto.conf")); err != nil || !strings.HasPrefix(string(text), "work_mem = '8MB'\n"+blockBegin) {
			t.Errorf("%s %v", text, err)
		}
		_, err = os.Stat(filepath.Join(dir, "tablespaces"))
		if inside := err == nil; inside != (tablespaces == nil) {
			t.Errorf("tablespaces=%v: a directory inside: %v", tablespaces, inside)
		}
		if target, err := os.Readlink(filepath.Join(dir, walDir)); err != nil || target != wal {
			t.Errorf("pg_wal: %q %v", target, err)
		}
		for _, at := range []string{dir, wal, fast} {
			if _, err := os.Lstat(filepath.Join(at, markerName)); err == nil {
				t.Errorf("the marker is still in %s", at)
			}
		}
	}
}

// What is written beside the snapshot's files is as closed as the data directory.
func TestAccess(t *testing.T) {
	for mode, want := range map[fs.FileMode]fs.FileMode{0o700: 0o600, 0o750: 0o640} {
		s := newSnapshot().sign()
		s.modes = map[string]fs.FileMode{".": mode}
		dir, err := s.restore(t, options.PhysicalRestore{}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if info, err := os.Lstat(filepath.Join(dir, recoverySignal)); err != nil || info.Mode() != want {
			t.Errorf("in a directory of mode %v: %v %v", mode, info, err)
		}
	}
}

// plakar passes over a directory that it cannot read, and the backup manifest lists files only.
func TestEmptyDirectories(t *testing.T) {
	wal := filepath.Join(t.TempDir(), "wal")
	dir, err := newSnapshot().sign().restore(t, options.PhysicalRestore{WALDir: wal}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, at := range []string{filepath.Join(dir, "pg_logical"), filepath.Join(dir, "pg_logical/snapshots"), filepath.Join(dir, "pg_replslot"), filepath.Join(wal, "archive_status")} {
		info, err := os.Lstat(at)
		if err != nil {
			t.Error(err)
			continue
		}
		if stat, ok := info.Sys().(*syscall.Stat_t); !info.IsDir() || info.Mode().Perm() != 0o750 || ok && os.Getuid() == 0 && stat.Uid != 12345 {
			t.Errorf("%s: %v, of user %d", at, info.Mode(), stat.Uid)
		}
	}
}

func TestRestoreFails(t *testing.T) {
	later := func(change func(s *snapshot)) func(s *snapshot) {
		return func(s *snapshot) { s.sign(); change(s) }
	}
	for want, change := range map[string]func(s *snapshot){
		`"base/1/1259" has the checksum`:               later(func(s *snapshot) { s.files["base/1/1259"] = "pagfs" }),
		`"base/1/1259" has 4 bytes`:                    later(func(s *snapshot) { s.files["base/1/1259"] = "page" }),
		`missing: "base/1/1260"`:                       later(func(s *snapshot) { delete(s.files, "base/1/1260") }),
		`"base/1/more" is not in`:                      later(func(s *snapshot) { s.files["base/1/more"] = "" }),
		`"backup_label" has the checksum`:              later(func(s *snapshot) { s.files["backup_label"] = "lavel" }),
		`"pg_tblspc/16384/PG_17_1/5" has the checksum`: later(func(s *snapshot) { s.files["tablespaces/16384/PG_17_1/5"] = "for" }),
		`"global/pg_control" is missing`:               later(func(s *snapshot) { delete(s.files, "global/pg_control") }),
		`tablespace is missing: "pg_tblspc/16384"`:     later(func(s *snapshot) { delete(s.links, "pg_tblspc/16384") }),
		`the WAL from 0/200028 to 0/200100 is missing`: later(func(s *snapshot) { delete(s.files, segment) }),
		`no manifest.json at its top`:                  later(func(s *snapshot) { delete(s.files, "manifest.json") }),
		`manifest.json of the one from 0/200028 to 0/200200`: func(s *snapshot) {
			s.files["manifest.json"] = strings.Replace(s.files["manifest.json"], "0/200100", "0/200200", 1)
			s.sign()
		},
		`no backup_manifest at its top`:                 func(*snapshot) {},
		`"eighteen": not a version`:                     func(s *snapshot) { s.files["PG_VERSION"] = "eighteen" },
		`its manifest.json says "custom"`:               func(s *snapshot) { s.files["manifest.json"] = `{"version": 2, "dump_format": "custom"}`; s.sign() },
		`is not one of a tablespace`:                    func(s *snapshot) { s.links["base/out"] = "/etc"; s.sign() },
		`"../../etc", which is not one of a tablespace`: func(s *snapshot) { s.links["pg_tblspc/1"] = "../../etc"; s.sign() },
		`has an entry "/plakar-restore-incomplete"`:     func(s *snapshot) { s.files[markerName] = ""; s.sign() },
		`logical backup`:                                func(s *snapshot) { s.files["00001-shop.dump"] = ""; s.sign() },
	} {
		s := newSnapshot()
		change(s)
		dir, err := s.restore(t, options.PhysicalRestore{}, nil)
		if err == nil || !strings.Contains(strings.ReplaceAll(err.Error(), `\"`, `"`), want) {
			t.Errorf("%v, want %q", err, want)
		}
		if _, err := os.Lstat(filepath.Join(dir, controlFile)); err == nil {
			t.Errorf("%s: there is a pg_control", want)
		}
		if _, err := os.Lstat(filepath.Join(dir, markerName)); err != nil {
			t.Errorf("%s: nothing says that it is incomplete", want)
		}
	}
}

// Who may write into the directory meanwhile cannot lead a restore out of it.
func TestPlantedLinks(t *testing.T) {
	for _, planted := range []string{"base", "base/1/1259", "pg_wal", incompleteControl, autoConf, autoConf + ".tmp"} {
		victim := t.TempDir()
		s := newSnapshot().sign()
		done := false
		_, err := s.restore(t, options.PhysicalRestore{}, func(dir string) {
			done = done || os.Symlink(victim, filepath.Join(dir, planted)) == nil
		})
		if !done {
			t.Fatal("nothing was planted")
		}
		if err == nil {
			t.Errorf("%s: the restore succeeds", planted)
		}
		if entries, err := os.ReadDir(victim); err != nil || len(entries) > 0 {
			t.Errorf("%s: written through the link: %v", planted, entries)
		}
	}
}

// A snapshot whose manifest.json has no OIDs.
func TestOldSnapshot(t *testing.T) {
	s := newSnapshot()
	s.files["manifest.json"] = `{"version": 2, "connector": "postgres+bin", "dump_format": "basebackup", "tablespaces": [{"name": "fast", "location": "/srv/fast"}], "databases": []}`
	s.sign()
	fast := filepath.Join(t.TempDir(), "fast")
	if _, err := s.restore(t, options.PhysicalRestore{Tablespaces: []string{"fast=" + fast}}, nil); err == nil || !strings.Contains(err.Error(), "use OIDs") {
		t.Error(err)
	}
	_ = os.RemoveAll(fast)
	if _, err := s.restore(t, options.PhysicalRestore{Tablespaces: []string{"16385=" + fast}}, nil); err == nil || !strings.Contains(err.Error(), "their OIDs are: 16384") {
		t.Error(err)
	}
	_ = os.RemoveAll(fast)
	if _, err := s.restore(t, options.PhysicalRestore{Tablespaces: []string{"16384=" + fast}}, nil); err != nil {
		t.Error(err)
	}
}

// Servers without recovery.signal, and without a backup manifest.
func TestOldServer(t *testing.T) {
	s := newSnapshot()
	s.files["PG_VERSION"] = "11\n"
	dir, err := s.restore(t, options.PhysicalRestore{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(filepath.Join(dir, recoverySignal)); err == nil {
		t.Error("there is a recovery.signal")
	}
	if text, err := os.ReadFile(filepath.Join(dir, autoConf)); err != nil || string(text) != "work_mem = '8MB'\n" {
		t.Errorf("%s %v", text, err)
	}
}

func TestCollationWarning(t *testing.T) {
	here := libcVersion(t.Context())
	if here == "" {
		t.Skip("this C library is not glibc")
	}
	libc, other := "libc", "1.0"
	r := &restore{snapshot: &manifest.Physical{Databases: []manifest.DatabaseInfo{
		{Name: "same", LocaleProvider: &libc, CollationVersion: &here}, {Name: "differs", LocaleProvider: &libc, CollationVersion: &other}, {Name: "c", LocaleProvider: &libc},
	}}}
	r.lookCollations(t.Context())
	if len(r.warnings) != 1 || !strings.HasSuffix(r.warnings[0], "in: differs") || !strings.Contains(r.warnings[0], "REINDEX") {
		t.Errorf("%q", r.warnings)
	}
}

// A directory that was exchanged for a link, when it had been made.
func TestExchangedDirectory(t *testing.T) {
	victim := t.TempDir()
	exchanged := false
	_, err := newSnapshot().sign().restore(t, options.PhysicalRestore{}, func(dir string) {
		if base := filepath.Join(dir, "base", "1"); !exchanged && os.Remove(base) == nil {
			exchanged = os.Symlink(victim, base) == nil
		}
	})
	if entries, errRead := os.ReadDir(victim); !exchanged || err == nil || errRead != nil || len(entries) > 0 {
		t.Errorf("exchanged: %v, restore: %v, written through the link: %v", exchanged, err, entries)
	}
}

// Somebody who exchanges a directory for a link, and back, all the time.
func TestDirectoryComesAndGoes(t *testing.T) {
	victim := t.TempDir()
	s := newSnapshot()
	for n := range 300 {
		s.files[fmt.Sprintf("base/1/%d", 2000+n)] = "pages"
	}
	s.sign()
	var exchanges atomic.Int64
	stop := make(chan struct{})
	var writer sync.WaitGroup
	defer func() {
		close(stop)
		writer.Wait()
		if entries, err := os.ReadDir(victim); err != nil || len(entries) > 0 || exchanges.Load() == 0 {
			t.Errorf("after %d exchanges, written through the link: %v %v", exchanges.Load(), entries, err)
		}
	}()
	exchange := func(base string) {
		for {
			select {
			case <-stop:
				return
			default:
			}
			if os.Rename(base, base+".away") == nil && os.Symlink(victim, base) == nil && os.Remove(base) == nil && os.Rename(base+".away", base) == nil {
				exchanges.Add(1)
			}
		}
	}
	for range 20 { // most end soon
		started := false
		_, _ = s.restore(t, options.PhysicalRestore{}, func(dir string) {
			if base := filepath.Join(dir, "base", "1"); !started {
				if _, err := os.Lstat(base); err == nil {
					started = true
					writer.Go(func() { exchange(base) })
				}
			}
		})
	}
}
