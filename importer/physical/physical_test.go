package physical

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"io"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/PlakarKorp/kloset/connectors"

	"github.com/PlakarKorp/integration-postgresql/internal/plugin"
	"github.com/PlakarKorp/integration-postgresql/internal/replication"
	"github.com/PlakarKorp/integration-postgresql/internal/spool"
	"github.com/PlakarKorp/integration-postgresql/internal/tempfile"
)

func TestRecords(t *testing.T) {
	for _, workers := range []int{1, 3} {
		for _, disk := range []uint64{0, 1 << 30} {
			b := plain()
			all, err := run(t, b, workers, disk)
			if err != nil {
				t.Fatal(err)
			}
			for _, h := range b.archives[0].entries {
				got, ok := all[path.Join("/", h.Name)]
				info := got.record.FileInfo
				if !ok || got.content != h.PAXRecords["content"] || info.Size() != h.Size || info.Uid() != 101 || info.Gid() != 104 ||
					info.Mode().Perm() != os.FileMode(h.Mode) || info.IsDir() != (h.Typeflag == tar.TypeDir) || info.Name() != path.Base(h.Name) {
					t.Errorf("%s: %+v, %d bytes", h.Name, info, len(got.content))
				}
			}
			root := all["/"].record.FileInfo
			if root.Mode() != os.ModeDir|0o700 || root.Uid() != 101 || root.Name() != "/" {
				t.Errorf("root: %+v", root)
			}
			if m := all["/backup_manifest"]; m.content != string(b.text()) || m.record.FileInfo.Gid() != 104 {
				t.Errorf("backup_manifest: %+v", m.record.FileInfo)
			}
		}
	}
}

// What the server does not send has the modes of a cluster whose group may read it (initdb --allow-group-access).
func TestGroupAccess(t *testing.T) {
	b := plain()
	b.tablespaces = []replication.Tablespace{{OID: "16384", Location: "/srv/a"}}
	b.archives = append([]archive{{"16384.tar", []tar.Header{directory("PG_15_1"), file("PG_15_1/1", "outside")}}}, b.archives...)
	for _, a := range b.archives {
		for n := range a.entries {
			a.entries[n].Mode |= 0o040
			if a.entries[n].Typeflag == tar.TypeDir {
				a.entries[n].Mode |= 0o010
			}
		}
	}
	all, err := run(t, b, 1, 0)
	if err != nil {
		t.Fatal(err)
	}
	for name, saved := range all {
		mode := saved.record.FileInfo.Mode()
		if mode.IsDir() && mode.Perm() != 0o750 || mode.IsRegular() && mode.Perm() != 0o640 {
			t.Errorf("%s: %v", name, mode)
		}
	}
}

// A file that plakar does not want is verified all the same.
func TestUnread(t *testing.T) {
	for _, disk := range []uint64{0, 1 << 30} {
		unread := []string{"/base/1/big", "/base/1/1259", "/backup_manifest"}
		if _, err := run(t, plain(), 1, disk, unread...); err != nil {
			t.Error(err)
		}
		b := plain()
		b.manifest = func(text []byte) []byte { return resigned(text, `"base/1/big"`, `"base/1/huge"`) }
		if _, err := run(t, b, 1, disk, unread...); err == nil || !strings.Contains(err.Error(), `"base/1/big" is not in`) {
			t.Error(err)
		}
	}
}

func TestFailures(t *testing.T) {
	died := errors.New("pg_basebackup: server closed the connection (exit status 1)")
	manifest := func(old, changed string) func([]byte) []byte {
		return func(text []byte) []byte { return resigned(text, old, changed) }
	}
	for name, c := range map[string]struct {
		change func(*backup)
		want   string
	}{
		"flipped byte": {func(b *backup) { b.manifest = manifest(sumOf("pages"), sumOf("pagfs")) }, `"base/1/1259" has the checksum`},
		"wrong size":   {func(b *backup) { b.manifest = manifest(`"Size":5`, `"Size":6`) }, "has 5 bytes in place of 6"},
		"missing file": {func(b *backup) {
			b.manifest = manifest(`[{`, `[{"Path":"gone","Size":1,"Checksum-Algorithm":"CRC32C","Checksum":"00000000"},{`)
		}, `"gone" is missing`},
		"extra file":   {func(b *backup) { b.manifest = manifest(`"empty"`, `"global/pg_control2"`) }, `"empty" is not in the backup manifest`},
		"no checksums": {func(b *backup) { b.manifest = manifest(`CRC32C`, `NONE`) }, "no CRC32C"},
		"no manifest":  {func(b *backup) { b.manifest = nil }, "no backup manifest"},
		"manifest changed": {func(b *backup) {
			b.manifest = func(t []byte) []byte { return bytes.Replace(t, []byte("\n"), []byte(" \n"), 1) }
		}, "its own checksum"},
		"manifest cut":        {func(b *backup) { b.manifest = func(t []byte) []byte { return t[:len(t)/2] } }, "unexpected EOF"},
		"another cluster":     {func(b *backup) { b.manifest = manifest(`7320280665284567118`, `7320280665284567119`) }, "another server answered"},
		"missing WAL":         {func(b *backup) { b.manifest = manifest(`0/200100`, `0/300100`) }, "the WAL segment 000000010000000000000003 is missing"},
		"bad position":        {func(b *backup) { b.manifest = manifest(`0/200100`, `nowhere`) }, "no position"},
		"cut in a header":     {func(b *backup) { b.cut = 1124 }, "unexpected EOF"},
		"cut in a small file": {func(b *backup) { b.cut = 514 }, "unexpected EOF"},
		"cut in a large file": {func(b *backup) { b.cut = 5 << 20 }, "unexpected EOF"},
		"cut between files":   {func(b *backup) { b.cut = 1024 }, "no backup manifest"},
		"failure at the end":  {func(b *backup) { b.end = died }, died.Error()},
		"short control file":  {func(b *backup) { b.archives[0].entries[7] = file("global/pg_control", "/etc/control") }, `12 bytes of "global/pg_control"`},
		"twice":               {func(b *backup) { b.add(file("base/1/1259", "pages")) }, "twice"},
		"escape":              {func(b *backup) { b.add(file("../outside", "x")) }, `"../outside"`},
		"absolute":            {func(b *backup) { b.add(file("/etc/passwd", "x")) }, `"/etc/passwd"`},
		"device":              {func(b *backup) { b.add(tar.Header{Typeflag: tar.TypeChar, Name: "null"}) }, `"null"`},
		"hard link":           {func(b *backup) { b.add(tar.Header{Typeflag: tar.TypeLink, Name: "hard", Linkname: "empty"}) }, `"hard"`},
		"unknown archive":     {func(b *backup) { b.archives = append(b.archives, archive{"1.tar", []tar.Header{file("x", "x")}}) }, "unknown archive"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, disk := range []uint64{0, 1 << 30} {
				b := plain()
				c.change(b)
				if _, err := run(t, b, 1, disk); err == nil || !strings.Contains(err.Error(), c.want) {
					t.Errorf("error %v, want %q", err, c.want)
				}
			}
		})
	}
}

func (b *backup) add(h tar.Header) { b.archives[0].entries = append(b.archives[0].entries, h) }

// The identity is the content's, and never comes twice where the content is not known.
func TestIdentity(t *testing.T) {
	identities := func(disk uint64, content string) (small, big [2]uint64) {
		b := plain()
		b.archives[0].entries[3] = file("base/1/1259", content)
		b.archives[0].entries[4] = file("base/1/big", strings.Repeat(content, 9<<20/len(content)))
		all, err := run(t, b, 2, disk)
		if err != nil {
			t.Fatal(err)
		}
		of := func(path string) [2]uint64 {
			info := all[path].record.FileInfo
			return [2]uint64{info.Dev(), info.Ino()}
		}
		return of("/base/1/1259"), of("/base/1/big")
	}
	smallA, bigA := identities(1<<30, "a")
	againA, bigAgainA := identities(1<<30, "a")
	smallB, bigB := identities(1<<30, "b")
	streamed, bigStreamed := identities(0, "a")
	_, bigStreamed2 := identities(0, "a")
	if smallA != againA || bigA != bigAgainA || smallA != streamed {
		t.Error("the same content has different identities")
	}
	if smallA == smallB || bigA == bigB {
		t.Error("different contents have the same identity")
	}
	if bigStreamed == bigA || bigStreamed == bigStreamed2 {
		t.Error("the identity of an unknown content came twice")
	}
}

func TestTablespaces(t *testing.T) {
	b := plain(
		directory("pg_tblspc"), link("pg_tblspc/16384/", "/srv/a"), directory("pg_tblspc/16385"),
		link("pg_tblspc/16386", "../tablespaces/16386"), link("pg_tblspc/99999", "/srv/new"),
		directory("tablespaces"), directory("tablespaces/16386"), directory("tablespaces/16386/PG_15_1"), file("tablespaces/16386/1", "inside"),
		directory("tablespaces/16384"), file("tablespaces/16384/1", "left over"), file("manifest.json", "of a restore"),
	)
	b.inBase = false
	b.tablespaces = []replication.Tablespace{{OID: "16384", Location: "/srv/a"}, {OID: "16385", Location: "pg_tblspc/16385"}, {OID: "16386", Location: "../tablespaces/16386"}}
	b.archives = append([]archive{
		{"16384.tar", []tar.Header{directory("PG_15_1"), file("PG_15_1/1", "outside")}},
		{"16385.tar", []tar.Header{directory("PG_15_1"), file("PG_15_1/1", "in place")}},
		{"16386.tar", []tar.Header{file("1", "another cluster's")}},
	}, b.archives...)
	all, err := run(t, b, 2, 1<<30)
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"/tablespaces/16384/PG_15_1/1": "outside", "/tablespaces/16385/PG_15_1/1": "in place", "/tablespaces/16386/1": "inside",
	} {
		if got := all[path].content; got != want {
			t.Errorf("%s holds %q, want %q", path, got, want)
		}
	}
	for _, oid := range []string{"16384", "16385", "16386"} {
		if got := all["/pg_tblspc/"+oid].record; got.Target != "../tablespaces/"+oid || got.FileInfo.Mode()&os.ModeSymlink == 0 {
			t.Errorf("link of %s: %q %v", oid, got.Target, got.FileInfo.Mode())
		}
	}
	for _, path := range []string{"/tablespaces/16384/1", "/manifest.json", "/pg_tblspc/99999"} {
		if _, there := all[path]; there {
			t.Errorf("%s is in the snapshot: %q", path, slices.Sorted(maps.Keys(all)))
		}
	}
}

// A tablespace whose content is not where its link makes one believe.
func TestTablespaceNotSent(t *testing.T) {
	for name, c := range map[string]struct {
		location string
		entries  []tar.Header
	}{
		"outside":             {"../../ts/16384", nil},
		"outside, left over":  {"../../ts/16384", []tar.Header{directory("tablespaces/16384/PG_15_1")}},
		"directory is a link": {"../tablespaces/16384", nil},
		"another directory":   {"../other/16384", []tar.Header{directory("other/16384/PG_15_1"), file("other/16384/PG_15_1/1", "x")}},
		"nothing in archive":  {"/srv/a", nil},
		"no directory of PG":  {"../tablespaces/16384", []tar.Header{directory("tablespaces/16384"), directory("tablespaces/16384/x")}},
		"another one is sent": {"../tablespaces/16384", []tar.Header{directory("tablespaces/16385/PG_15_1")}},
	} {
		b := plain(append(c.entries, link("pg_tblspc/16384", c.location))...)
		b.inBase = false
		b.tablespaces = []replication.Tablespace{{OID: "16384", Location: c.location}}
		b.archives = append([]archive{{"16384.tar", nil}}, b.archives...)
		if _, err := run(t, b, 1, 0); err == nil || !strings.Contains(err.Error(), "the tablespace 16384") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// When the backup is cancelled, neither the sender nor a reader hangs.
func TestCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	reached := make(chan io.Reader, 1)
	emit := func(r *connectors.Record) error {
		if r.Pathname == "/base/1/big" {
			reached <- r.Reader
		}
		return nil
	}
	dir := tempfile.New(t.TempDir())
	defer func() { _ = dir.Close() }()
	done := make(chan error, 1)
	go func() { done <- newRecordEmitter(ctx, emit, spool.New(dir, 0, 0), "system", nil).run(plain().source()) }()
	reader := <-reached
	cancel()
	if _, err := io.Copy(io.Discard, reader); !errors.Is(err, plugin.ErrAborted) {
		t.Errorf("reader: %v", err)
	}
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("sender: %v", err)
	}
}
