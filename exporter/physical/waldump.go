package physical

import (
	"bufio"
	"context"
	"errors"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strconv"
	"time"

	"github.com/PlakarKorp/integration-postgresql/internal/pgtools"
	"github.com/PlakarKorp/integration-postgresql/internal/proc"
	"github.com/PlakarKorp/integration-postgresql/internal/wal"
)

// dumpDir is a directory in storeDir with links to the segments of the way, for pg_waldump,
// under names of one timeline.
const dumpDir = "waldump"

// errNoWaldump is when the WAL cannot be looked into here.
var errNoWaldump = errors.New("there is no pg_waldump of the cluster's major version on this machine (option \"pg_bin_dir\")")

// dumped is what pg_waldump found.
type dumped struct {
	records    int
	lastCommit time.Time // of a commit or an abort, zero for none
	lastRecord wal.LSN   // where the last record begins
	end        wal.LSN   // there is no WAL behind it
}

var (
	dumpLSN    = regexp.MustCompile(`, lsn: ([0-9A-F]+/[0-9A-F]+),`)
	dumpCommit = regexp.MustCompile(`, desc: (?:COMMIT|ABORT)(?:_PREPARED)? (?:\d+: )?(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6}) `)
	dumpEnd    = regexp.MustCompile(`at ([0-9A-F]+/[0-9A-F]+)`)
)

// lastCommit returns when the last transaction ended, in the last segments in which one did.
// It goes back step by step; what begins before a step is in the next one.
func (w *walRestore) lastCommit(ctx context.Context, v *inventory, course wal.History) (time.Time, error) {
	var found time.Time
	err := w.backwards(ctx, v, course, true, func(d dumped) bool {
		found = d.lastCommit
		return !found.IsZero()
	})
	return found, err
}

// lastRecord returns where the last record begins.
func (w *walRestore) lastRecord(ctx context.Context, v *inventory, course wal.History) (wal.LSN, error) {
	var found wal.LSN
	err := w.backwards(ctx, v, course, false, func(d dumped) bool {
		found = d.lastRecord
		return found != 0
	})
	if err == nil && found == 0 {
		err = errors.New("pg_waldump finds no record in the WAL")
	}
	return found, err
}

// backwards looks at the last segments, at more each time, until enough was seen.
func (w *walRestore) backwards(ctx context.Context, v *inventory, course wal.History, commits bool, enough func(dumped) bool) error {
	last, _ := v.last(course.Timeline)
	for step := wal.LSN(2); ; step *= 4 {
		from := w.base.start
		if back := (step - 1) * wal.LSN(last.Size); last.Start > from+back {
			from = last.Start - back
		}
		d, err := w.scan(ctx, v, course, from, commits)
		if err != nil || enough(d) || from == w.base.start {
			return err
		}
	}
}

// scan reads the WAL of the way from a position on with pg_waldump of the cluster's version.
func (w *walRestore) scan(ctx context.Context, v *inventory, course wal.History, from wal.LSN, commits bool) (d dumped, err error) {
	tools, err := pgtools.Find(ctx, w.options.BinDir, w.base.major, 0, pgtools.PgWaldump)
	if err != nil || tools.Major != w.base.major {
		return d, errNoWaldump
	}
	defer func() { err = errors.Join(err, w.store.RemoveAll(dumpDir)) }()
	if d.end, err = w.linkSegments(v, course, from); err != nil || d.end == from {
		return d, err
	}
	// Without an end, it waits 5 s for the next segment.
	args := []string{
		"--path=" + filepath.Join(w.data.path, walDir, storeDir, dumpDir), "--timeline=" + strconv.FormatUint(uint64(course.Timeline), 10),
		"--start=" + from.String(), "--end=" + d.end.String(),
	}
	if commits {
		args = append(args, "--rmgr=Transaction")
	}
	stream := proc.NewStream(ctx, func(context.Context) (proc.Command, error) {
		return proc.Command{Path: tools.Path(pgtools.PgWaldump), Args: args, Env: append(os.Environ(), "LC_ALL=C", "TZ=UTC")}, nil
	})
	defer func() { _ = stream.Close() }()
	lines := bufio.NewScanner(stream)
	lines.Buffer(nil, 64<<20) // a commit names the files that it drops
	for lines.Scan() {
		d.line(lines.Text())
	}
	err = lines.Err()
	// It ends with an error where the WAL ends.
	var exit *proc.Error
	if errors.As(err, &exit) && exit.Status == "exit status 1" {
		if all := dumpEnd.FindAllStringSubmatch(exit.Stderr, -1); len(all) > 0 {
			d.end, err = wal.ParseLSN(all[len(all)-1][1])
			return d, err
		}
		return d, nil
	}
	return d, err
}

// line takes a line of pg_waldump.
func (d *dumped) line(text string) {
	match := dumpLSN.FindStringSubmatch(text)
	if match == nil {
		return
	}
	lsn, err := wal.ParseLSN(match[1])
	if err != nil {
		return
	}
	d.records++
	d.lastRecord = lsn
	if match = dumpCommit.FindStringSubmatch(text); match == nil {
		return
	}
	// Clocks are not always in the order of the WAL.
	if at, err := time.Parse("2006-01-02 15:04:05.999999", match[1]); err == nil && at.After(d.lastCommit) {
		d.lastCommit = at
	}
}

// linkSegments makes the links, from the segment at that position on, and returns where
// the last one ends: the position itself if there is none.
func (w *walRestore) linkSegments(v *inventory, course wal.History, from wal.LSN) (end wal.LSN, err error) {
	if err := w.store.RemoveAll(dumpDir); err != nil {
		return 0, err
	}
	if err := w.store.Mkdir(dumpDir, 0o700); err != nil {
		return 0, err
	}
	end = from
	for s := course.SegmentAt(from, w.base.segmentSize()); v.file(s) != ""; s = course.SegmentAt(end, s.Size) {
		link := s
		link.Timeline = course.Timeline
		if err := w.store.Symlink(path.Join("..", v.file(s)), path.Join(dumpDir, link.Name())); err != nil {
			return 0, err
		}
		end = s.End()
	}
	return end, nil
}
