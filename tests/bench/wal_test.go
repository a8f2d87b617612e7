package bench

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/PlakarKorp/integration-postgresql/tests/harness"
)

const (
	oneSecond = "one second"
	received  = "pg_receivewal into a directory, and plakar backup of it"
	recovered = "pgBackRest, restore and recovery"
	barman    = "Barman, restore and recovery"
)

// BenchmarkWAL compares backups of the WAL: of a window of 1,000 segments with nothing new in it, and
// of much that is new.
func BenchmarkWAL(b *testing.B) {
	b.Run("window", func(b *testing.B) {
		s := harness.Start(b, harness.InitdbArgs("--wal-segsize=1"))
		g := newStage(b, s)
		source := g.source("wal", "postgres+wal", "")
		g.plakar.MustBackup(source)
		s.Exec(b, "postgres", `DO $$ BEGIN FOR i IN 1..1000 LOOP
			PERFORM pg_logical_emit_message(false, 'bench', md5(i::text)); PERFORM pg_switch_wal();
		END LOOP; END $$`)
		for range 2 { // with the second one the slot has moved
			g.plakar.MustBackup(source)
		}
		each(g, func(cpu string) {
			record(b, "wal window"+cpu, "backup of the WAL, 1,000 segments and nothing new", []contender{
				{unchanged, nil, func(b *testing.B) sample { return g.again(b, source) }},
			})
		})
	})
	b.Run("stream", func(b *testing.B) {
		s := harness.Start(b, walServer)
		g := newStage(b, s)
		source := g.source("wal", "postgres+wal", "")
		each(g, func(cpu string) {
			record(b, "wal stream"+cpu, "backup of 0.5 GB of new WAL", []contender{g.streamed(source), g.received(b)})
		})
	})
}

var walServer = harness.Conf("full_page_writes = on", "max_wal_size = 16GB", "checkpoint_timeout = 1h", "shared_buffers = 512MB")

// streamed backs up what was written since the last run.
func (g *stage) streamed(source string) contender {
	return contender{pluginDefault, func(b *testing.B) {
		g.newStore(b)
		g.dropSlots(b)
		g.plakar.MustBackup(source)
		g.writeWAL(b)
	}, func(b *testing.B) sample { return measure(b, g.command("backup", source)) }}
}

// received is how one does without the plugin.
func (g *stage) received(b *testing.B) contender {
	b.Helper()
	dir := filepath.Join(b.TempDir(), "received")
	return contender{received, func(b *testing.B) {
		g.newStore(b)
		g.dropSlots(b)
		settle(b, g.server) // a new slot begins at the last checkpoint
		g.server.Exec(b, "postgres", "SELECT pg_create_physical_replication_slot('receiver', true)")
		must(b, os.RemoveAll(dir))
		must(b, os.Mkdir(dir, 0o700))
		g.writeWAL(b)
	}, func(b *testing.B) sample {
		end := g.server.QueryText(b, "postgres", "SELECT pg_current_wal_flush_lsn()")
		got := measure(b, tool(g.server, "postgres", "pg_receivewal", "--directory="+dir, "--slot=receiver", "--endpos="+end))
		return got.plus(measure(b, g.command("backup", dir)))
	}}
}

func (g *stage) dropSlots(b *testing.B) {
	b.Helper()
	g.server.Exec(b, "postgres", "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots")
}

// writeWAL makes the server write about 0.5 GB.
func (g *stage) writeWAL(b *testing.B) {
	b.Helper()
	run(b, tool(g.server, "postgres", "pgbench", "--initialize", "--scale=30", "--quiet"))
}

// BenchmarkRecovery compares a restore with 2 GB of WAL, up to where the server has recovered.
func BenchmarkRecovery(b *testing.B) {
	s := harness.Start(b, walServer, harness.Conf("archive_mode = on", "archive_command = '/bin/true'"))
	g := newStage(b, s)
	run(b, tool(s, "postgres", "pgbench", "--initialize", "--scale=1", "--quiet"))
	settle(b, s)
	wal := g.source("wal", "postgres+wal", "")
	g.plakar.MustBackup(wal)
	base := g.plakar.MustBackup(g.source("bin", "postgres+bin", ""))
	rest, archived := g.backRestRecovery(b)
	man, streamed := g.barmanRecovery(b)
	for range 4 {
		g.writeWAL(b)
	}
	s.Exec(b, "postgres", "CREATE TABLE last (); SELECT pg_switch_wal()")
	snapshot := g.plakar.MustBackup(wal)
	contenders := []contender{g.recovery(b, pluginDefault, func(b *testing.B, dir string) sample {
		restore := func(snapshot string) sample {
			return measure(b, g.command("restore", "-to", "postgres+bin://"+dir, snapshot))
		}
		return restore(base).plus(restore(snapshot))
	})}
	if rest != nil {
		archived(b)
		contenders = append(contenders, g.recovery(b, recovered, rest))
	}
	if man != nil {
		streamed(b)
		contenders = append(contenders, g.recovery(b, barman, man))
	}
	each(g, func(cpu string) {
		record(b, "recovery"+cpu, "restore with 2 GB of WAL, recovery included", contenders)
	})
}

// recovery restores into the place of a server, and starts it.
func (g *stage) recovery(b *testing.B, name string, restore func(b *testing.B, dir string) sample) contender {
	b.Helper()
	s := harness.Reserve(b, g.server.Major)
	return contender{name, func(b *testing.B) {
		s.Stop(harness.Immediate)
		emptied(s.DataDir)(b)
	}, func(b *testing.B) sample {
		got := restore(b, s.DataDir)
		begin := time.Now()
		s.Start(b)
		for s.QueryText(b, "postgres", "SELECT pg_is_in_recovery()") == "t" {
			time.Sleep(10 * time.Millisecond)
		}
		got.Wall += time.Since(begin)
		s.Exec(b, "postgres", "TABLE last") // the recovery reached it
		return got
	}}
}
