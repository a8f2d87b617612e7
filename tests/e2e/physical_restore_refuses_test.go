package e2e

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/PlakarKorp/integration-postgresql/tests/harness"
)

// notStartable checks that what a restore left, if anything, has no pg_control.
func notStartable(t *testing.T, dir string) {
	t.Helper()
	if _, err := os.Lstat(filepath.Join(dir, "global", "pg_control")); err == nil {
		t.Errorf("%s has a pg_control", dir)
	}
}

// Everything that can be known before is refused before a byte is written.
func TestPhysicalRestoreRefuses(t *testing.T) {
	t.Parallel()
	harness.LowestMajorOnly(t, "the server has no part in it")
	src := harness.Start(t)
	withTablespace(t, src)
	p := physical(t, src)
	snapshot := p.MustBackup("@phys")
	place := t.TempDir()
	dir := func(name string) string { return filepath.Join(place, name) }
	if err := errors.Join(os.Mkdir(dir("full"), 0o700), os.WriteFile(dir("full/file"), nil, 0o600), os.Mkdir(dir("empty"), 0o700),
		os.Symlink(dir("empty"), dir("link")), os.WriteFile(dir("file"), nil, 0o600), os.Mkdir(dir("planted"), 0o700)); err != nil {
		t.Fatal(err)
	}
	if os.Getuid() == 0 {
		if err := errors.Join(os.Symlink(dir("empty"), dir("planted/by-other")), os.Lchown(dir("planted/by-other"), 1, 1)); err != nil {
			t.Fatal(err)
		}
	}
	target := binURL(dir("new"))
	for _, c := range []struct {
		to, options, want string
	}{
		{"postgres+bin://var/lib/pg", "", "is a slash missing, for postgres+bin:///var/lib/pg?"},
		{binURL(dir("full")), "", "is not empty (it holds \"file\")"},
		{binURL(src.DataDir), "", "a server uses it"},
		{binURL(dir("link")), "", "is a symbolic link"},
		{binURL(dir("planted/by-other/data")), "", "does not belong to root"},
		{binURL(dir("file")), "", "is not a directory"},
		{binURL(dir("file/data")), "", "not a directory"},
		{target, "owner=nobody-of-that-name", "there is no user \"nobody-of-that-name\""},
		{target, "owner=54321", "like 54321:54321"},
		{target, "owner=54321:nogroup-of-that-name", "there is no group"},
		{target, "owner=root", "PostgreSQL does not start as root"},
		{target, "wal_dir=wal", "an absolute path"},
		{target, "wal_dir=" + dir("full"), "option \"wal_dir\": "},
		{target, "wal_dir=" + dir("new/pg_wal"), "one is in the other"},
		{target, "tablespaces=elsewhere=" + dir("full"), "option \"tablespaces\": "},
		{target, "tablespaces=elsewhere=" + dir("a") + ",16384=" + dir("a"), "one is in the other"},
		{target, "target=latest", "immediate"},
		{target, "target_action=pause", "target=immediate"},
		{target, "target_time=2026-11-25", "with its distance from UTC"},
		{target, "target_lsn=1/4A7F1C8", "restore the base backup first, without target_lsn"},
	} {
		if strings.Contains(c.to, "by-other") && os.Getuid() != 0 {
			continue // for others than root, it is their own affair
		}
		result := p.MustFail(append([]string{"restore", "-to", c.to}, append(opts(t, strings.Fields(c.options)), snapshot)...)...)
		if out := result.Output(); !strings.Contains(out, c.want) || strings.Contains(out, "EOF") {
			t.Errorf("%s %s: plakar does not say %q itself: %s", c.to, c.options, c.want, out)
		}
		if _, err := os.Lstat(dir("new")); err == nil {
			t.Fatalf("%s %s: a directory was made", c.to, c.options)
		}
	}
	if entries, err := os.ReadDir(dir("empty")); err != nil || len(entries) > 0 {
		t.Errorf("written through a link: %v %v", entries, err)
	}
	// Which tablespaces there are is known only when the snapshot says so.
	result := p.MustFail(append(append([]string{"restore", "-to", target}, opts(t, []string{"tablespaces=nosuch=" + dir("a")})...), snapshot)...)
	if !strings.Contains(result.Message(), `no tablespace "nosuch"; it has: elsewhere (`) {
		t.Error(result.Output())
	}
	notStartable(t, dir("new"))
	// What it left says so.
	result = p.MustFail(append(append([]string{"restore", "-to", target}, opts(t, nil)...), snapshot)...)
	if !strings.Contains(result.Message(), "did not end") {
		t.Error(result.Output())
	}
	nothingLeft(t, p, src)
}

// Snapshots of something else, and parts of one.
func TestPhysicalRestoreOtherSnapshots(t *testing.T) {
	t.Parallel()
	harness.LowestMajorOnly(t, "the server has no part in it")
	src := harness.Start(t)
	withTablespace(t, src)
	src.Exec(t, "postgres", "CREATE DATABASE shop")
	p := physical(t, src)
	whole := p.MustBackup("@phys")
	p.SourceAdd("logical", src.URL(""), src.BinDirOption())
	logical := p.MustBackup("@logical")
	p.SourceAdd("inparts", src.URL("shop"), src.BinDirOption(), "layout=tables")
	inParts := p.MustBackup("@inparts")
	stopped := filepath.Join(t.TempDir(), "data")
	p.MustRestore(stopped, whole)
	if err := os.Remove(filepath.Join(stopped, "backup_manifest")); err != nil {
		t.Fatal(err)
	}
	files, others := p.MustBackup(stopped), p.MustBackup(src.BinDir)
	for name, c := range map[string]struct{ snapshot, want string }{
		"logical":           {logical, "this is a logical backup"},
		"logical, in parts": {inParts, "this is a logical backup"},
		"a directory":       {whole + ":/base", "has no file PG_VERSION"},
		"a tablespace":      {whole + ":/tablespaces", "has no file PG_VERSION"},
		"one file":          {whole + ":/PG_VERSION", "has no backup_manifest"},
		"pg_control":        {whole + ":/global/pg_control", "has no file PG_VERSION"},
		"of files":          {files, "has no backup_manifest"},
		"of other files":    {others, "has no file PG_VERSION"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "new")
			result := p.MustFail(append(append([]string{"restore", "-to", binURL(dir)}, opts(t, nil)...), c.snapshot)...)
			if !strings.Contains(result.Message(), c.want) {
				t.Errorf("it does not say %q: %s", c.want, result.Output())
			}
			notStartable(t, dir)
		})
	}
	// The other way round.
	p.DestinationAdd("server", src.URL(""), src.BinDirOption())
	if result := p.MustFail("restore", "-to", "@server", whole); !strings.Contains(result.Message(), "plakar restore -to postgres+bin:///") {
		t.Error(result.Output())
	}
}

// Files that a copy of a backup lacks, or has beside it.
func TestPhysicalRestoreIncomplete(t *testing.T) {
	t.Parallel()
	harness.LowestMajorOnly(t, "the server has no part in it")
	src := harness.Start(t)
	p := physical(t, src)
	whole := p.MustBackup("@phys")
	for name, c := range map[string]struct {
		change func(dir string) error
		want   string
	}{
		"a file is missing":     {func(dir string) error { return os.Remove(filepath.Join(dir, "base/1/1259")) }, `files of the backup are missing: "base/1/1259"`},
		"a file was cut":        {func(dir string) error { return os.Truncate(filepath.Join(dir, "base/1/1259"), 8192) }, `"base/1/1259" has 8192 bytes in place of`},
		"a file is too many":    {func(dir string) error { return os.WriteFile(filepath.Join(dir, "base/1/more"), nil, 0o600) }, `"base/1/more" is not in the backup manifest`},
		"the manifest differs":  {func(dir string) error { return os.Truncate(filepath.Join(dir, "backup_manifest"), 1000) }, "reading the backup manifest"},
		"a link":                {func(dir string) error { return os.Symlink("/etc", filepath.Join(dir, "base/etc")) }, "is not one of a tablespace"},
		"a tablespace's link":   {func(dir string) error { return os.Symlink("/etc", filepath.Join(dir, "pg_tblspc/16384")) }, "is not one of a tablespace"},
		"no WAL":                {func(dir string) error { return removeSegments(dir) }, "the WAL from"},
		"no pg_control":         {func(dir string) error { return os.Remove(filepath.Join(dir, "global/pg_control")) }, `the file "global/pg_control" is missing`},
		"early file is changed": {func(dir string) error { return os.WriteFile(filepath.Join(dir, "PG_VERSION"), []byte("15\n\n"), 0o600) }, `"PG_VERSION" has 4 bytes`},
	} {
		t.Run(name, func(t *testing.T) {
			copied, dir := filepath.Join(t.TempDir(), "copy"), filepath.Join(t.TempDir(), "new")
			p.MustRestore(copied, whole)
			if err := c.change(copied); err != nil {
				t.Fatal(err)
			}
			files := p.MustBackup(copied)
			result := p.MustFail(append(append([]string{"restore", "-to", binURL(dir)}, opts(t, nil)...), files+":"+copied)...)
			if !strings.Contains(result.Message(), c.want) {
				t.Errorf("it does not say %q: %s", c.want, result.Output())
			}
			notStartable(t, dir)
		})
	}
	// What plakar copied as files is a backup all the same, when nothing differs.
	copied := filepath.Join(t.TempDir(), "copy")
	p.MustRestore(copied, whole)
	s, _ := rebuild(t, p, p.MustBackup(copied)+":"+copied, src.Major)
	s.Start(t)
	onTimeline(t, s, "2")
}

func removeSegments(dir string) error {
	segments, err := filepath.Glob(filepath.Join(dir, "pg_wal", "0*"))
	for _, segment := range segments {
		err = errors.Join(err, os.Remove(segment))
	}
	return err
}

// As the user that runs the server: nothing has to be given away, and nothing can be.
func TestPhysicalRestoreAsUser(t *testing.T) {
	t.Parallel()
	harness.LowestMajorOnly(t, "the server has no part in it")
	if os.Getuid() != 0 {
		t.Skip("it takes root to become somebody else; the other tests of restores run as an ordinary user here")
	}
	src := harness.Start(t)
	withTablespace(t, src)
	// A directory of the user's, read-only.
	mine := filepath.Join(src.DataDir, "mine")
	if err := os.Mkdir(mine, 0o700); err != nil {
		t.Fatal(err)
	}
	src.WriteFile(t, "mine/file", "")
	if err := errors.Join(os.Chown(mine, harness.ServerUID(t), -1), os.Chmod(mine, 0o500)); err != nil {
		t.Fatal(err)
	}
	p := physical(t, src)
	snapshot := p.MustBackup("@phys")
	s := harness.Reserve(t, src.Major)
	info, err := os.Stat(s.SocketDir)
	if err != nil {
		t.Fatal(err)
	}
	who := info.Sys().(*syscall.Stat_t)
	for _, base := range []string{filepath.Dir(p.Home)} {
		err := filepath.WalkDir(base, func(path string, _ os.DirEntry, err error) error {
			return errors.Join(err, os.Lchown(path, int(who.Uid), int(who.Gid)))
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	s.DataDir = filepath.Join(s.SocketDir, "data")
	run := func(args ...string) (string, error) {
		cmd := p.Command(args...)
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: who.Uid, Gid: who.Gid}}
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	if out, err := run("restore", "-to", binURL(s.DataDir), "-o", "owner=root", snapshot); err == nil || !strings.Contains(out, "only root can give files") {
		t.Errorf("%v: %s", err, out)
	}
	// A path that is relative to where plakar runs, in its home; the tablespace is named by where it was.
	far, was := filepath.Join(s.SocketDir, "far"), src.QueryText(t, "postgres", "SELECT pg_tablespace_location(oid) FROM pg_tablespace WHERE oid >= 16384")
	if out, err := run("restore", "-to", "postgres+bin://./data", "-o", "tablespaces="+was+"="+far, snapshot); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if err := os.Rename(filepath.Join(p.Home, "data"), s.DataDir); err != nil {
		t.Fatal(err)
	}
	mine = filepath.Join(s.DataDir, "mine")
	if info, err := os.Stat(mine); err != nil || info.Mode().Perm() != 0o500 {
		t.Errorf("the read-only directory: %v %v", info, err)
	}
	if err := os.Chmod(mine, 0o700); err != nil {
		t.Fatal(err)
	}
	owned(t, s.DataDir)
	owned(t, far)
	verifyBackup(t, s, "tablespaces")
	s.Start(t)
	onTimeline(t, s, "2")
	compareData(t, src, s)
}

// What leads to the original's files is named, with a command that starts the copy.
func TestPhysicalRestoreWarns(t *testing.T) {
	t.Parallel()
	harness.LowestMajorOnly(t, "the settings are those of every version")
	src := harness.Start(t, harness.Fresh(), harness.InitdbArgs("--allow-group-access"))
	src.WriteFile(t, "postgresql.conf", "data_directory = '"+src.DataDir+"'\nhba_file '"+src.DataDir+"/pg_hba.conf' # the original's\n"+
		"external_pid_file = '"+src.DataDir+"/../pid'\ninclude_if_exists '/nosuch/a.conf'\ninclude 'more.conf'\n")
	src.WriteFile(t, "more.conf", "ident_file = '"+src.DataDir+"/pg_ident.conf'\ninclude_dir '../conf.d'\n")
	for _, name := range []string{"postgresql.conf", "more.conf", "postgresql.auto.conf", "pg_hba.conf"} { // which a test writes for their owner only
		must(t, os.Chmod(filepath.Join(src.DataDir, name), 0o640)) //nolint:gosec // as the server does
	}
	p := physical(t, src)
	snapshot := p.MustBackup("@phys")
	s, result := rebuild(t, p, snapshot, src.Major)
	if info, err := os.Stat(s.DataDir); err != nil || info.Mode().Perm() != 0o750 {
		t.Errorf("the group may not read it: %v %v", info, err)
	}
	for _, want := range []string{
		"postgres -D " + s.DataDir + " -c data_directory=" + s.DataDir + " -c external_pid_file='' -c hba_file=" + s.DataDir + "/pg_hba.conf -c ident_file=" + s.DataDir + "/pg_ident.conf",
		"hba_file = '" + src.DataDir + "/pg_hba.conf'", "ident_file = '" + src.DataDir + "/pg_ident.conf'",
		"files that did not come with the backup", "include_if_exists '/nosuch/a.conf', include_dir '../conf.d'",
	} {
		if !strings.Contains(result.Message(), want) {
			t.Errorf("it does not say %q: %s", want, result.Output())
		}
	}
	if err := os.Remove(filepath.Join(src.DataDir, "postgresql.conf")); err != nil {
		t.Fatal(err)
	}
	s, result = rebuild(t, p, p.MustBackup("@phys"), src.Major)
	want := "/main/postgresql.conf -c data_directory=" + s.DataDir
	if !strings.Contains(result.Message(), "holds no postgresql.conf") || !strings.Contains(result.Message(), want) {
		t.Errorf("it does not say %q: %s", want, result.Output())
	}
}
