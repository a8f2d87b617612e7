package wal

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/PlakarKorp/kloset/connectors"

	"github.com/PlakarKorp/integration-postgresql/internal/spool"
	xlog "github.com/PlakarKorp/integration-postgresql/internal/wal"
)

// formatText is the content of /format.
const formatText = "postgres+wal 1\n"

// errOtherHistory is why nothing is stored when the server does not go on with what the
// previous snapshot has.
var errOtherHistory = errors.New("the server's WAL is not what the previous snapshot has under the same name: " +
	"the server was restored, or set back with its disk, without a new timeline, or another one was; or " + behind + "\n" +
	"hint: take a base backup of it, and back up its WAL with another slot, or run once with continue_on_error=true and -cache no")

// behind is why a server may have less WAL than before for a while.
const behind = "it is a standby that was started a moment ago and has not replayed yet what it had: then a later backup succeeds"

// run is one backup of the WAL.
type run struct {
	ctx    context.Context
	emit   func(*connectors.Record) error
	server *server
	spool  *spool.Spool
	late   *late
	window uint64 // bytes
	goOn   bool   // with a gap

	first   bool          // there is no previous snapshot
	begin   xlog.LSN      // of the WAL without a gap
	newest  *xlog.Segment // of the complete ones that the previous snapshot has; nil for none
	met     bool          // the walk met WAL of the previous snapshot, or its beginning
	checked bool          // newest is on the server what it is in the store, as far as can be told
	noted   bool          // whether this snapshot has a segment after newest

	confirmed bool // the slot was moved, or need not be

	asked *question // of the first segment that the previous snapshot does not have; nil for none
	gap   *string

	last      *xlog.Segment // complete one of this snapshot; nil for none
	lastSum   string        // of its content
	segments  int
	added     int // segments that the previous snapshot did not have
	newestSum string

	previous   xlog.LSN // where the WAL of the previous snapshot ends, if that is on the server's timeline; else 0
	begunSum   string   // of the segment there, up to there; "" before it has come
	compared   bool     // that is what the previous snapshot has
	partialSum string   // of the beginning of the segment in which the WAL ends now; "" for none
}

// Backup implements plugin.Source.
func (i *Importer) Backup(ctx context.Context, emit func(*connectors.Record) error) (err error) {
	// Content that plakar still reads when Backup has returned outlives it, unless it failed.
	ctx, cancel := context.WithCancelCause(ctx)
	defer func() {
		if err != nil {
			cancel(err)
		}
	}()
	started := time.Now()
	s, err := i.look(ctx)
	if err != nil {
		return err
	}
	defer s.close(ctx)
	r := &run{
		ctx: ctx, emit: emit, server: s, spool: spool.New(i.spooled, uint64(i.options.SpoolSize), spool.Memory(i.options.SpoolDir)), late: &i.answers,
		window: uint64(i.options.Window), goOn: i.options.ContinueOnError,
	}
	err = r.all()
	if errors.Is(err, errDryRun) {
		return nil
	}
	if err == nil {
		err = emit(i.manifestRecord(ctx, r, started))
	}
	if err != nil && r.first {
		s.close(ctx) // it holds the slot
		s.undoSlot(ctx)
	}
	return err
}

// all does everything but the manifest.
func (r *run) all() error {
	if err := r.recognise(); err != nil {
		return err
	}
	if err := r.server.readSlot(r.ctx); err != nil {
		return err
	}
	if r.first && r.server.slot.Exists && !r.goOn {
		return fmt.Errorf("the replication slot %s exists, but the store has no snapshot of the WAL that it kept: another store uses it, "+
			"the previous snapshot cannot be read, or plakar was told to leave it out (-cache no), or a first backup failed\n"+
			"hint: if the newest snapshot is broken (plakar check), remove it; choose another slot for this store; or, if no other store uses it, begin anew with continue_on_error=true", r.server.name)
	}
	if err := r.server.openSlot(r.ctx); err != nil {
		return err
	}
	if at := r.server.slot.Restart; at > r.server.end.Position {
		return fmt.Errorf("the WAL of the server ends at %s, and the replication slot %s keeps it from %s on: the server was set back, or %s",
			r.server.end.Position, r.server.name, at, behind)
	}
	if err := r.exchangeEnd(); err != nil {
		return err
	}
	if err := r.sendHistories(); err != nil {
		return err
	}
	if err := r.walkBack(); err != nil {
		return err
	}
	if err := r.walkForth(); err != nil {
		return err
	}
	if err := r.judgeGap(); err != nil {
		return err
	}
	if err := r.stream(); err != nil {
		return err
	}
	return r.sendSums()
}

// recognise asks for the previous snapshot, and whether it is of this cluster.
func (r *run) recognise() error {
	known, err := r.askOrSupply(xlog.FormatPath, newIdentity(formatText), formatText)
	if err != nil {
		return err
	}
	r.first = !known
	id := r.server.end.SystemID
	known, err = r.askOrSupply(xlog.SystemIdentifierPath, r.server.identify("system identifier"), id+"\n")
	if err == nil && !known && !r.first {
		err = fmt.Errorf("the server at %s is another cluster (system identifier %s) than that of the previous snapshot\n"+
			"hint: choose another slot: each cluster has snapshots of its own", r.server.info.Origin(), id)
	}
	return err
}

// sendHistories sends the history files. One that the previous snapshot has under the same
// name has to be the same.
func (r *run) sendHistories() error {
	for timeline, content := range r.server.files {
		known, err := r.askOrSupply(timeline.HistoryPath(), r.server.identify("history", timeline.HistoryName()), string(content))
		if err != nil {
			return err
		}
		same, err := r.askOrSupply(timeline.HistorySumPath(), r.server.identify("history", timeline.HistoryName(), string(content)), "1")
		if err != nil {
			return err
		}
		if known && !same {
			return fmt.Errorf("timeline %d: %w", timeline, errOtherHistory)
		}
	}
	return r.noteFirst()
}

// noteFirst notes whether this snapshot has the segment in which the server's timeline begins: what
// comes before it is the same for all that began there. If the previous snapshot had it, and the
// server does not yet, that is another one.
func (r *run) noteFirst() error {
	n := len(r.server.history.Ancestors)
	if n == 0 {
		return nil
	}
	first := r.server.history.SegmentAt(r.server.history.Ancestors[n-1].End, r.server.size)
	had, err := r.note(first.FirstPath(), r.server.identify("first", first.Name()), r.complete(first))
	if err == nil && had && !r.complete(first) {
		err = fmt.Errorf("timeline %d: %w", first.Timeline, errOtherHistory)
	}
	return err
}

// judgeGap refuses a snapshot that does not go on where the previous one ended.
func (r *run) judgeGap() error {
	if r.first || r.met {
		return nil
	}
	reason := "they are no longer on the server"
	if r.server.created != "" {
		reason += ", whose slot was created by this run: " + r.server.created
	}
	text := fmt.Sprintf("WAL is missing before %s: the segments between the previous snapshot and %s are not in the store, and %s",
		r.begin, r.server.history.SegmentAt(r.begin, r.server.size), reason)
	if r.goOn {
		r.gap = &text
		r.server.warn(text)
		return nil
	}
	return fmt.Errorf("%s\nhint: take a base backup, then run this backup once with continue_on_error=true", text)
}
