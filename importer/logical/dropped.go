package logical

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
)

// droppedDatabases are the names of those that were dropped between the list and their
// dump. Their files in the snapshot are empty.
type droppedDatabases struct {
	mu    sync.Mutex
	names []string
}

// isDropped asks the server whether the database is gone, and warns once if it is.
func (i *Importer) isDropped(ctx context.Context, s *server, d *dump) bool {
	i.findDropped(ctx, s, d)
	i.dropped.mu.Lock()
	defer i.dropped.mu.Unlock()
	return slices.Contains(i.dropped.names, d.database)
}

// findDropped notes which of the databases are gone. One that was renamed is not: its
// content would be missing without a reason. Nor is any if the server cannot be asked.
func (i *Importer) findDropped(ctx context.Context, s *server, dumps ...*dump) {
	_, conn, err := s.info.Dial(ctx, append([]string{s.database}, maintenance...)...)
	if err != nil {
		return
	}
	defer closeConn(ctx, conn)
	there, err := listDatabases(ctx, conn)
	if err != nil {
		return
	}
	i.dropped.mu.Lock()
	defer i.dropped.mu.Unlock()
	for _, d := range dumps {
		if !slices.Contains(i.dropped.names, d.database) &&
			!slices.ContainsFunc(there, func(t database) bool { return t.oid == d.oid || t.name == d.database }) {
			i.dropped.names = append(i.dropped.names, d.database)
			slog.Warn(droppedWarning(d.database))
		}
	}
}

func droppedWarning(database string) string {
	return fmt.Sprintf("database %q was dropped before its dump began: its file holds nothing", database)
}

// droppedSoFar returns warnings for the manifest, which may be complete before the
// dumps are: about the databases that are gone and of whose dumps nothing was read.
func (i *Importer) droppedSoFar(ctx context.Context, s *server, p *plan) []string {
	if i.info.Database() != "" {
		return nil // without its one database a backup fails
	}
	var waiting []*dump
	for n := range p.dumps {
		d := &p.dumps[n]
		if !slices.ContainsFunc(i.streams, func(s *dumpStream) bool { return s.dump == d && s.begun.Load() }) {
			waiting = append(waiting, d)
		}
	}
	if len(waiting) > 0 {
		i.findDropped(ctx, s, waiting...)
	}
	i.dropped.mu.Lock()
	defer i.dropped.mu.Unlock()
	warnings := make([]string, 0, len(i.dropped.names))
	for _, name := range i.dropped.names {
		warnings = append(warnings, droppedWarning(name))
	}
	return warnings
}
