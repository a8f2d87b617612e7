//go:build linux

package faults

import (
	"errors"
	"os"
	"path/filepath"
	"strings"

	"github.com/PlakarKorp/integration-postgresql/tests/harness"
)

// physical makes the source "mypg" of the whole server.
func (s *scene) physical(at *proxy, options ...string) {
	s.Helper()
	s.server.Exec(s, "postgres", "CREATE TABLE big AS SELECT g, repeat(md5(g::text), 30) || 'the marker' AS v FROM generate_series(1, 10000) g")
	if s.ownStream {
		s.server.Exec(s, "postgres", "CREATE TABLESPACE elsewhere LOCATION "+harness.Literal(s.server.Dir(s, "elsewhere")))
		s.server.Exec(s, "postgres", "CREATE TABLE far TABLESPACE elsewhere AS SELECT 1 AS x")
	}
	s.db = ""
	if !s.ownStream {
		options = append(options, "method=pg_basebackup")
	}
	s.plakar.SourceAdd("mypg", "postgres+bin"+strings.TrimPrefix(s.url(at), "postgres"), s.with(options)...)
	s.saves = true
}

// bothWays runs each fault with pg_basebackup, and once more as it is by default: the
// plugin itself asks for the backup, of a cluster with tablespaces.
func bothWays(faults []fault) []fault {
	var all []fault
	for _, f := range faults {
		all = append(all, f)
		if !f.oneWay {
			f.name += ", BASE_BACKUP"
			f.ownStream = true
			if f.spoken != nil {
				f.says = f.spoken
			}
			all = append(all, f)
		}
	}
	return all
}

// slowly keeps a backup busy for long enough to be disturbed.
const slowly = "max_rate=3M"

// streaming waits until the server sends files.
func (s *scene) streaming() {
	s.Helper()
	s.until("the server sends files", eventually, func() bool {
		return s.server.QueryText(s, "postgres", "SELECT count(*) FROM pg_stat_progress_basebackup WHERE backup_streamed > 2000000") == "1"
	})
}

// midStream runs a physical backup and breaks something while files are sent.
func midStream(act func(s *scene, p *proxy)) func(s *scene) harness.Result {
	return func(s *scene) harness.Result {
		p := through(s)
		s.physical(p, slowly)
		run := s.backup()
		s.streaming()
		act(s, p)
		return s.end(run)
	}
}

// ended runs a physical backup and ends plakar while files are sent.
func ended(send func(*harness.Process)) func(s *scene) harness.Result {
	return func(s *scene) harness.Result {
		s.physical(nil, slowly)
		run := s.backup()
		s.streaming()
		send(run)
		return s.end(run)
	}
}

// withServer replaces the scene's server by one with other settings.
func (s *scene) withServer(conf ...string) {
	s.Helper()
	s.server = harness.Start(s, harness.Conf(conf...))
}

// unheld begins the warning that no slot holds the WAL.
const unheld = "nothing keeps the server from removing WAL that this backup needs"

// inCheckpoint ends plakar while the server spreads its checkpoint, when nobody there
// notices a client that has gone.
func inCheckpoint(send func(*harness.Process)) func(s *scene) harness.Result {
	return func(s *scene) harness.Result {
		s.physical(nil, "checkpoint=spread")
		run := s.backup()
		s.until("the server makes a checkpoint", eventually, func() bool {
			return s.server.QueryText(s, "postgres", "SELECT count(*) FROM pg_stat_progress_basebackup WHERE phase = 'waiting for checkpoint to finish'") == "1"
		})
		send(run)
		return s.end(run)
	}
}

// damage writes into a table's file while the server is down.
func (s *scene) damage(table string) {
	s.Helper()
	path := filepath.Join(s.server.DataDir, s.server.QueryText(s, "postgres", "SELECT pg_relation_filepath('"+table+"')"))
	s.server.Stop(harness.Fast)
	file, err := os.OpenFile(path, os.O_RDWR, 0) //nolint:gosec // the server's, which is ours
	must(s, err)
	_, err = file.WriteAt([]byte("damage"), 5*8192+100)
	must(s, errors.Join(err, file.Close()))
	s.server.Start(s)
}

// inNeedOfWAL backs up while the server wants to remove the WAL that the backup needs,
// and waits until that is removed, or kept several times.
func (s *scene) inNeedOfWAL(slots string, removed bool) harness.Result {
	s.Helper()
	s.server = harness.Start(s, harness.InitdbArgs("--wal-segsize=1"), harness.Conf(slots, "min_wal_size = 2MB", "max_wal_size = 2MB", "wal_recycle = off"))
	p := newProxy(s, s.server)
	s.physical(p, slowly)
	first := s.server.QueryText(s, "postgres", "SELECT pg_walfile_name(pg_current_wal_lsn())")
	run := s.backup()
	s.streaming()
	p.freeze() // the files wait for what follows, however long it takes
	gone := false
	for step := 0; !gone && step < 6; step++ {
		s.server.Exec(s, "postgres", "CREATE TABLE IF NOT EXISTS w (x int); INSERT INTO w VALUES (1)")
		s.server.Exec(s, "postgres", "SELECT pg_switch_wal()")
		s.server.Exec(s, "postgres", "CHECKPOINT")
		gone = s.server.QueryText(s, "postgres", "SELECT min(name) FROM pg_ls_waldir() WHERE name ~ '^[0-9A-F]{24}$'") > first
	}
	if gone != removed {
		s.Errorf("segment %s removed: %v, want %v", first, gone, removed)
	}
	if s.server.QueryText(s, "postgres", "SELECT count(*) FROM pg_stat_progress_basebackup WHERE phase = 'streaming database files'") != "1" {
		s.Error("the files were sent already, which proves nothing")
	}
	p.thaw()
	return s.end(run)
}
