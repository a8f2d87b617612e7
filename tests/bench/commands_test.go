package bench

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/PlakarKorp/integration-postgresql/tests/harness"
)

// stage is a plakar whose stores come and go, and a server.
type stage struct {
	plakar *harness.Plakar
	server *harness.Server
	cpu    string // plakar's -cpu; "" is its default
	dir    string // of the stores
	stores int
}

func newStage(b *testing.B, s *harness.Server) *stage {
	p := harness.NewPlakar(b)
	return &stage{plakar: p, server: s, dir: filepath.Dir(p.Store)}
}

// newStore goes on with an empty store.
func (g *stage) newStore(b *testing.B) {
	b.Helper()
	must(b, os.RemoveAll(g.plakar.Store))
	g.stores++
	g.plakar.Store = filepath.Join(g.dir, fmt.Sprintf("store%d", g.stores))
	g.plakar.MustRun("create", "-plaintext")
}

// command is a plakar command with the number of CPUs to compare.
func (g *stage) command(args ...string) *exec.Cmd {
	if g.cpu != "" {
		args = append([]string{"-cpu", g.cpu}, args...)
	}
	return g.plakar.Command(args...)
}

// source configures a source through the server's socket, as the tools use it.
func (g *stage) source(name, protocol, database string, options ...string) string {
	g.plakar.SourceAdd(name, protocol+"://postgres@/"+database, append(options,
		"host="+g.server.SocketDir, "port="+strconv.Itoa(g.server.Port), g.server.BinDirOption())...)
	return "@" + name
}

// backup backs a source up into a new store.
func (g *stage) backup(name, source string, flags ...string) contender {
	return contender{name, g.newStore, func(b *testing.B) sample {
		return measure(b, g.command(append(append([]string{"backup"}, flags...), source)...))
	}}
}

// again backs a source up into the store that is there, and looks how it grew.
func (g *stage) again(b *testing.B, source string, flags ...string) sample {
	b.Helper()
	before := size(b, g.plakar.Store)
	got := measure(b, g.command(append(append([]string{"backup"}, flags...), source)...))
	got.Added = size(b, g.plakar.Store) - before
	return got
}

func (g *stage) dump(database string, args ...string) *exec.Cmd {
	return tool(g.server, database, "pg_dump", append([]string{"--format=custom", "--compress=0"}, args...)...)
}

// piped stores pg_dump's output through plakar's stdin, one database after another.
func (g *stage) piped(databases ...string) contender {
	return contender{"pg_dump piped into plakar", g.newStore, func(b *testing.B) (total sample) {
		for _, database := range databases {
			total = total.plus(measure(b, g.command("backup", "stdin:"+database+".dump"), g.dump(database)))
		}
		return total
	}}
}

// bare is pg_dump alone, into nothing.
func (g *stage) bare(databases ...string) contender {
	return contender{"pg_dump alone", nil, func(b *testing.B) (total sample) {
		for _, database := range databases {
			total = total.plus(measure(b, g.dump(database)))
		}
		return total
	}}
}

func (g *stage) basebackup() *exec.Cmd {
	return tool(g.server, "postgres", "pg_basebackup", "--pgdata=-", "--format=tar", "--wal-method=fetch", "--checkpoint=fast")
}

// bareBase is pg_basebackup alone, into nothing.
func (g *stage) bareBase() contender {
	return contender{bareBase, nil, func(b *testing.B) sample { return measure(b, g.basebackup()) }}
}

// tarred stores a base backup that is in a file already, with plakar's own importer.
func (g *stage) tarred(b *testing.B) contender {
	b.Helper()
	file := filepath.Join(b.TempDir(), "base.tar")
	g.tarTo(b, file)
	return g.backup("plakar backup tar:FILE", "tar:"+file)
}

// tarTo writes a base backup into a file.
func (g *stage) tarTo(b *testing.B, file string) {
	b.Helper()
	out, err := os.Create(file) //nolint:gosec // a temporary file
	must(b, err)
	cmd := g.basebackup()
	cmd.Stdout = out
	run(b, cmd)
	must(b, out.Close())
}

// floor stores the files of a base backup, on disk already, with a plugin that does
// nothing else.
func (g *stage) floor(b *testing.B) contender {
	b.Helper()
	files := b.TempDir()
	cmd := tool(g.server, "postgres", "pg_basebackup", "--pgdata="+files, "--wal-method=fetch", "--checkpoint=fast")
	run(b, cmd)
	g.installFloor(b)
	return g.backup(floorName, "floor://"+files)
}

// installFloor builds the plugin of tests/bench/floor and adds it to plakar.
func (g *stage) installFloor(b *testing.B) {
	b.Helper()
	dir := b.TempDir()
	build := exec.Command("go", "build", "-o", filepath.Join(dir, "floor"), "./tests/bench/floor") //nolint:gosec // of this project
	build.Dir, build.Env = harness.Root(), append(os.Environ(), "CGO_ENABLED=0")
	run(b, build)
	must(b, os.WriteFile(filepath.Join(dir, "manifest.yaml"), []byte(`
name: floor
display_name: floor
description: hands out the files of a directory
homepage: https://github.com/PlakarKorp/integration-postgresql
license: ISC
tags: [test]
api_version: 1.0.0
connectors:
  - {type: importer, class: test, subclass: test, protocols: [floor], location_flags: [stream, needack], executable: floor, args: [importer]}
  - {type: exporter, class: test, subclass: test, protocols: [floor], executable: floor, args: [exporter]}
`), 0o600))
	pkg := g.plakar.Command("pkg", "create", filepath.Join(dir, "manifest.yaml"), "v0.0.1-test")
	pkg.Dir = dir
	run(b, pkg)
	packages, err := filepath.Glob(filepath.Join(dir, "*.ptar"))
	must(b, err)
	g.plakar.MustRun(append([]string{"pkg", "add"}, packages...)...)
}

// rebuild restores a physical snapshot to a location that begins with prefix. Everything
// is on disk at the end of every contender's time.
func (g *stage) rebuild(b *testing.B, name, prefix, snapshot string) contender {
	b.Helper()
	dir := filepath.Join(b.TempDir(), "data")
	return contender{name, emptied(dir), func(b *testing.B) sample {
		return measure(b, g.command("restore", "-to", prefix+dir, snapshot)).plus(synced(b, dir))
	}}
}

// untarred extracts a base backup that is in a file already.
func (g *stage) untarred(b *testing.B) contender {
	b.Helper()
	file, dir := filepath.Join(b.TempDir(), "base.tar"), filepath.Join(b.TempDir(), "data")
	g.tarTo(b, file)
	before := emptied(dir)
	return contender{"tar x", func(b *testing.B) {
		before(b)
		must(b, os.Mkdir(dir, 0o700))
	}, func(b *testing.B) sample {
		return measure(b, exec.Command("tar", "-xf", file, "-C", dir)).plus(synced(b, dir)) //nolint:gosec // what is compared with
	}}
}

// emptied removes a directory, and leaves the file system nothing to write.
func emptied(dir string) func(*testing.B) {
	return func(b *testing.B) {
		must(b, os.RemoveAll(dir))
		run(b, exec.Command("sync"))
	}
}

// synced writes the file system of a directory to disk.
func synced(b *testing.B, dir string) sample {
	b.Helper()
	return measure(b, exec.Command("sync", "--file-system", dir)) //nolint:gosec // ours
}

// restore restores a snapshot of one database.
func (g *stage) restore(name, snapshot string, options ...string) contender {
	return contender{name, g.without("restored"), func(b *testing.B) sample {
		g.plakar.Run("destination", "rm", "dst")
		g.plakar.DestinationAdd("dst", "postgres://postgres@/restored", append(options,
			"host="+g.server.SocketDir, "port="+strconv.Itoa(g.server.Port), g.server.BinDirOption())...)
		return measure(b, g.command("restore", "-to", "@dst", snapshot))
	}}
}

// pgRestore is pg_restore from a file.
func (g *stage) pgRestore(name, file string, args ...string) contender {
	before := func(b *testing.B) {
		g.without("restored")(b)
		g.server.Exec(b, "postgres", "CREATE DATABASE restored TEMPLATE template0")
	}
	return contender{name, before, func(b *testing.B) sample {
		return measure(b, tool(g.server, "restored", "pg_restore", append(args, "--dbname=restored", file)...))
	}}
}

// cat is plakar alone, which writes a file of a snapshot to /dev/null.
func (g *stage) cat(name, snapshot, path string) contender {
	return contender{name, nil, func(b *testing.B) sample { return measure(b, g.command("cat", snapshot+":"+path)) }}
}

func (g *stage) without(database string) func(*testing.B) {
	return func(b *testing.B) {
		g.server.Exec(b, "postgres", "DROP DATABASE IF EXISTS "+database)
		settle(b, g.server)
	}
}

// size is what a directory's files take, in bytes.
func size(b *testing.B, dir string) (total int64) {
	b.Helper()
	must(b, filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			total += info.Size()
		}
		return err
	}))
	return total
}
