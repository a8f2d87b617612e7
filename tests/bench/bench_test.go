package bench

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/PlakarKorp/integration-postgresql/tests/harness"
)

// cpus are the numbers of CPUs that plakar is told to use: its default, one fewer
// than the machine has, and 2.
var cpus = []string{"", "2"}

// names of the contenders that targets speak of.
const (
	pluginDefault    = "plugin"
	layout           = "plugin, layout=tables, jobs=2"
	piped            = "pg_dump piped into plakar"
	tarFile          = "plakar backup tar:FILE"
	backRestFull     = "pgBackRest, full"
	floorName        = "files handed out by a plugin"
	restoreTwoJobs   = "plugin, jobs=2"
	pgRestoreTwoJobs = "pg_restore -j 2 from a file"
	oneTable         = "plugin, tables=t777"
	listAndTable     = "pg_restore --list and pg_restore -t from a file"
	pgDumpSchemaOnly = "pg_dump -s alone"
	bareBase         = "pg_basebackup alone"
	first            = "first backup"
	unchanged        = "second, nothing changed"
	changed          = "third, 1 % of the rows changed"
	writtenFloor     = "files written by a plugin"
)

// BenchmarkLogical compares the backup of one database, or of all.
func BenchmarkLogical(b *testing.B) {
	for _, d := range []dataset{d1, d4} {
		b.Run(d.name, func(b *testing.B) {
			g := newStage(b, d.start(b, 0))
			source := g.source("pg", "postgres", d.database, "jobs=1")
			tables := g.source("tables", "postgres", d.database, "jobs=2", "layout=tables")
			each(g, func(cpu string) {
				record(b, "logical "+d.name+cpu, "backup of "+d.name, []contender{
					g.backup(pluginDefault, source), g.backup(layout, tables), g.piped(d.database), g.bare(d.database),
				})
			})
		})
	}
	b.Run(d3.name, func(b *testing.B) {
		g := newStage(b, d3.start(b, 0))
		source := g.source("pg", "postgres", "", "exclude_databases=postgres,template1")
		var names []string
		for i := range 40 {
			names = append(names, fmt.Sprintf("db%02d", i+1))
		}
		each(g, func(cpu string) {
			record(b, "logical D3"+cpu, "backup of 40 databases", []contender{
				g.backup(pluginDefault, source), g.piped(names...), g.bare(names...),
			})
		})
	})
}

// BenchmarkPhysical compares the backup of a whole cluster.
func BenchmarkPhysical(b *testing.B) {
	for _, d := range []dataset{d1, d2, d3, d4, d6} {
		b.Run(d.name, func(b *testing.B) {
			g := newStage(b, d.start(b, 0))
			contenders := []contender{
				g.backup(pluginDefault, g.source("bin", "postgres+bin", "")), g.tarred(b), g.floor(b), g.bareBase(),
			}
			if rest, ok := g.pgBackRest(b); ok {
				contenders = append(contenders, rest)
			}
			each(g, func(cpu string) {
				record(b, "physical "+d.name+cpu, "base backup of "+d.name, contenders)
			})
		})
	}
}

// BenchmarkAgain looks at the second backup, and at one after a change.
func BenchmarkAgain(b *testing.B) {
	for _, d := range []dataset{d1, d4, d6} {
		b.Run(d.name, func(b *testing.B) {
			g := newStage(b, d.start(b, 0))
			physical := g.source("bin", "postgres+bin", "")
			change := func(b *testing.B) { g.server.Psql(b, d.database, onePercent[d.name]); settle(b, g.server) }
			compared := func(name, source, cpu string, others ...contender) {
				again := func(b *testing.B) sample { return g.again(b, source) }
				record(b, "again "+name+" "+d.name+cpu, "further "+name+" backups of "+d.name, append([]contender{
					{first, g.newStore, again}, {unchanged, nil, again}, {changed, change, again},
				}, others...))
			}
			each(g, func(cpu string) {
				compared("physical", physical, cpu, g.bareBase())
				if d.name != d6.name { // a logical one of it tells what D1's does
					compared("logical", g.source("pg", "postgres", d.database), cpu)
				}
			})
		})
	}
}

// onePercent changes about 1 % of the rows, which lie together as new data does.
var onePercent = map[string]string{
	"D1": "UPDATE pgbench_accounts SET abalance = abalance + 1 WHERE aid BETWEEN 1000000 AND 1060000",
	"D6": "UPDATE pgbench_accounts SET abalance = abalance + 1 WHERE aid BETWEEN 1000000 AND 1200000",
	"D4": `UPDATE customer SET name = name || '.' WHERE id BETWEEN 50000 AND 52000;
		UPDATE orders SET total = total + 1 WHERE id BETWEEN 500000 AND 509000;
		UPDATE message SET body = md5(body) || body WHERE id BETWEEN 100000 AND 102500;
		UPDATE attachment SET content = content || '\x00' WHERE id BETWEEN 6000 AND 6120`,
}

// BenchmarkRestore compares the restore of one database.
func BenchmarkRestore(b *testing.B) {
	for _, d := range []dataset{d1, d4} {
		b.Run(d.name, func(b *testing.B) {
			g := newStage(b, d.start(b, 0))
			single := g.plakar.MustBackup(g.source("pg", "postgres", d.database))
			tables := g.plakar.MustBackup(g.source("tables", "postgres", d.database, "layout=tables"))
			file := filepath.Join(b.TempDir(), "dump")
			run(b, g.dump(d.database, "--file="+file))
			each(g, func(cpu string) {
				record(b, "restore "+d.name+cpu, "restore of "+d.name, []contender{
					g.restore("plugin, jobs=1", single, "jobs=1"), g.restore(restoreTwoJobs, single, "jobs=2"),
					g.restore("plugin, layout=tables, jobs=2", tables, "jobs=2"),
					g.pgRestore("pg_restore from a file", file), g.pgRestore(pgRestoreTwoJobs, file, "--jobs=2"),
				})
			})
		})
	}
}

// BenchmarkRestoreTable compares the restore of one table out of a dump of many: a closed
// selection, and what one does by hand.
func BenchmarkRestoreTable(b *testing.B) {
	g := newStage(b, d5.start(b, 0))
	snapshot := g.plakar.MustBackup(g.source("pg", "postgres", d5.database))
	file := filepath.Join(b.TempDir(), "dump")
	run(b, g.dump(d5.database, "--file="+file))
	byHand := g.pgRestore(listAndTable, file, "--table=t777")
	table := byHand.run
	byHand.run = func(b *testing.B) sample {
		return measure(b, tool(g.server, "restored", "pg_restore", "--list", "--file="+os.DevNull, file)).plus(table(b))
	}
	each(g, func(cpu string) {
		record(b, "restore one D5"+cpu, "restore of one table of D5", []contender{
			g.restore(oneTable, snapshot, "tables=t777"), byHand,
			g.cat("plakar cat of the dump to /dev/null", snapshot, "/00001-"+d5.database+".dump"),
		})
	})
}

// BenchmarkPhysicalRestore compares the restore of a whole cluster into a data directory.
func BenchmarkPhysicalRestore(b *testing.B) {
	for _, d := range []dataset{d1, d2, d4} {
		b.Run(d.name, func(b *testing.B) {
			g := newStage(b, d.start(b, 0))
			snapshot := g.plakar.MustBackup(g.source("bin", "postgres+bin", ""))
			g.installFloor(b)
			contenders := []contender{
				g.rebuild(b, pluginDefault, "postgres+bin://", snapshot), g.rebuild(b, writtenFloor, "floor://", snapshot),
				g.rebuild(b, "plakar restore -to DIRECTORY", "", snapshot), g.untarred(b),
			}
			if rest, ok := g.backRestRestore(b); ok {
				contenders = append(contenders, rest)
			}
			each(g, func(cpu string) {
				record(b, "physical restore "+d.name+cpu, "physical restore of "+d.name+", all on disk", contenders)
			})
		})
	}
}

// BenchmarkSchema compares backups without rows: what is left is mostly the
// collection of the manifest.
func BenchmarkSchema(b *testing.B) {
	for _, d := range []dataset{d2, d5} {
		b.Run(d.name, func(b *testing.B) {
			g := newStage(b, d.start(b, 0))
			source := g.source("pg", "postgres", d.database, "schema_only=true")
			each(g, func(cpu string) {
				record(b, "schema "+d.name+cpu, "backup of "+d.name+" without rows", []contender{
					g.backup(pluginDefault, source),
					{pgDumpSchemaOnly, nil, func(b *testing.B) sample { return measure(b, g.dump(d.database, "--schema-only")) }},
				})
			})
		})
	}
}

// BenchmarkCompression compares pg_dump's compression with none: what five backups
// with 1 % of the rows changed before each add to a store.
func BenchmarkCompression(b *testing.B) {
	majors := harness.Majors()
	s := d4.start(b, majors[len(majors)-1])
	g := newStage(b, s)
	g.cpu = "2"
	methods := []string{"false", "gzip"}
	if s.Major >= 16 {
		methods = append(methods, "lz4", "zstd")
	}
	stores := make(map[string]string)
	samples := make(map[string][]sample)
	for _, method := range methods {
		g.source(method, "postgres", d4.database, "compress="+method)
		g.newStore(b)
		stores[method] = g.plakar.Store
		g.plakar.Store += ".none" // the next one must not remove it
	}
	for i := range 5 {
		if i > 0 {
			s.Psql(b, d4.database, onePercent["D4"])
			settle(b, s)
		}
		for _, method := range methods {
			g.plakar.Store = stores[method]
			samples[method] = append(samples[method], g.again(b, "@"+method))
			say("%s: %+v", method, samples[method][i])
		}
	}
	var rows []row
	for _, method := range methods {
		one := median(samples[method])
		one.Added = samples[method][0].Added
		var five int64
		for _, s := range samples[method] {
			five += s.Added
		}
		rows = append(rows, newRow(method+", one backup", one), newRow(method+", five backups", sample{Added: five}))
	}
	save(b, result{ID: "compression", Title: "pg_dump's compression, D4", Rows: rows, Machine: machine(b, s.Major)})
}

// each runs f with every number of CPUs, and a suffix for the name of the result.
func each(g *stage, f func(cpu string)) {
	for _, cpu := range cpus {
		g.cpu = cpu
		suffix := ""
		if cpu != "" {
			suffix = " -cpu " + cpu
		}
		f(suffix)
	}
}
