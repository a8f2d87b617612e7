package wal

import (
	"context"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/PlakarKorp/kloset/connectors"
	"github.com/PlakarKorp/kloset/objects"

	"github.com/PlakarKorp/integration-postgresql/internal/plugin"
	xlog "github.com/PlakarKorp/integration-postgresql/internal/wal"
	"github.com/PlakarKorp/integration-postgresql/manifest"
)

// manifestRecord is the record of manifest.json. It comes last.
func (i *Importer) manifestRecord(ctx context.Context, r *run, started time.Time) *connectors.Record {
	s := r.server
	request := manifest.Request{
		Header: manifest.Header{
			CreatedAt: started, Connector: i.protocol, Host: s.info.Host(), Port: s.info.Port(),
			DumpFormat: xlog.DumpFormat, WAL: r.document(),
			ServerVersion: s.conn.Version(), SystemIdentifier: s.end.SystemID,
			Options: i.options.Summary(), Warnings: s.warnings,
		},
		Maintenance: "postgres", Jobs: 1,
	}
	content := manifest.NewReader(ctx, func(ctx context.Context, w io.Writer) error {
		err := manifest.Write(ctx, w, s.info, request)
		if ctx.Err() != nil {
			return plugin.ErrAborted
		}
		return err
	})
	return &connectors.Record{Pathname: xlog.ManifestPath, Reader: content, FileInfo: objects.FileInfo{
		Lname: xlog.ManifestPath[1:], Lsize: unknownSize, Lmode: fs.FileMode(0o600), LmodTime: started, Lnlink: 1,
		Luid: uint64(os.Getuid()), Lgid: uint64(os.Getgid()), // #nosec G115 -- not negative on Unix
	}}
}

// document is the part of the manifest about the WAL.
func (r *run) document() *manifest.WAL {
	s := r.server
	w := &manifest.WAL{
		SegmentSize: s.size, Timeline: s.end.Timeline, History: []manifest.WALAncestor{}, Begin: r.begin,
		End:      manifest.WALEnd{Timeline: s.end.Timeline, LSN: s.end.Position, Time: s.endTime},
		Segments: r.segments, NewSegments: r.added,
		Slot: s.name, SlotLSN: s.slot.Restart, RetainedBytes: s.retained(), Gap: r.gap,
	}
	for _, a := range s.history.Ancestors {
		w.History = append(w.History, manifest.WALAncestor{Timeline: a.Timeline, End: a.End})
	}
	return w
}
