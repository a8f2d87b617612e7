package physical

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"log/slog"
	"strings"

	"github.com/PlakarKorp/integration-postgresql/internal/pgtools"
	"github.com/PlakarKorp/integration-postgresql/internal/proc"
	"github.com/PlakarKorp/integration-postgresql/internal/replication"
)

// toolArchives is the one archive that pg_basebackup writes, with the manifest
// in it.
type toolArchives struct {
	omissions omissions // which its lines on stderr may be about
	output    *proc.Stream
	server    *server
	session   string // application_name of pg_basebackup's session
	started   bool
	succeeded bool
}

// runTool makes the archive of pg_basebackup, which is started by the first read.
func (i *Importer) runTool(ctx context.Context, s *server, tool pgtools.Installation) *toolArchives {
	t := &toolArchives{server: s, session: "plakar-" + strings.ToLower(rand.Text())}
	t.output = proc.NewStream(ctx, func(ctx context.Context) (proc.Command, error) {
		info := s.info.ForReplication()
		env, err := info.Env(ctx)
		return proc.Command{
			Path: tool.Path(pgtools.PgBasebackup),
			Args: pgtools.BasebackupArgs(&i.options, backupLabel, info.ConnString()),
			Env:  append(env, "PGAPPNAME="+t.session), // the last one counts
			// libpq prints the server's warnings there.
			OnStderrLine: t.omissions.add,
		}, err
	})
	return t
}

// Next implements archives. The end of the output is that of pg_basebackup: an
// error unless it succeeded.
func (t *toolArchives) Next() (replication.Archive, error) {
	if !t.started {
		t.started = true
		return replication.Archive{Name: baseArchive, Reader: t.output}, nil
	}
	if _, err := io.Copy(io.Discard, t.output); err != nil {
		return replication.Archive{}, err
	}
	t.succeeded = true
	if text := t.output.Stderr(); text != "" {
		slog.Warn(text)
	}
	return replication.Archive{}, io.EOF
}

// stop ends pg_basebackup and waits for it.
func (t *toolArchives) stop() {
	if err := t.output.Close(); err != nil {
		slog.Debug("ending pg_basebackup: " + err.Error())
	}
}

// endSession ends the session of a pg_basebackup that did not succeed: a server that is
// busy with the checkpoint for it would notice only minutes later. It does its best: the
// server may be why the backup failed.
func (t *toolArchives) endSession(ctx context.Context) {
	if !t.started || t.succeeded || !t.server.catalogsRead {
		return
	}
	conn, err := t.server.info.Connect(ctx, t.server.maintenance)
	if err == nil {
		defer func() { _ = conn.Close(ctx) }()
		_, err = conn.Exec(ctx, "SELECT pg_catalog.pg_terminate_backend(pid) FROM pg_catalog.pg_stat_activity WHERE application_name = $1", t.session)
	}
	if err != nil {
		slog.Debug(fmt.Sprintf("ending the session of pg_basebackup: %v", err))
	}
}
