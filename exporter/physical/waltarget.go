package physical

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"github.com/PlakarKorp/integration-postgresql/internal/wal"
)

// pgTime is a time as PostgreSQL takes it whatever its settings are, and as messages have it.
const pgTime = "2006-01-02 15:04:05.999999-07"

func formatTime(at time.Time) string { return at.UTC().Format(pgTime) }

// checkTarget refuses a target that no WAL can reach, before anything is changed.
func (w *walRestore) checkTarget() error {
	if w.options.Target != "" {
		return errors.New("option \"target\": immediate needs no WAL beside the base backup's own: restore the base backup alone with it, or leave it out")
	}
	const older = "\nhint: restore an older base backup, and then WAL, into an empty directory"
	b := w.base
	if at, ok, _ := w.options.TargetTime(); ok && at.Before(b.endTime) {
		return fmt.Errorf("option \"target_time\": %s is before the end of the base backup, which was at %s%s", formatTime(at), formatTime(b.endTime), older)
	}
	if lsn, ok, _ := w.options.TargetLSN(); ok && wal.LSN(lsn) < b.end {
		return fmt.Errorf("option \"target_lsn\": %s is before the end of the base backup, which is at %s%s", wal.LSN(lsn), b.end, older)
	}
	return nil
}

// stopAt returns where the recovery ends, and the same in words.
func (w *walRestore) stopAt(ctx context.Context, v *inventory, course wal.History) (end *stop, reached string, err error) {
	o := w.options
	end = &stop{timeline: timelineSetting(v, course), exclusive: !o.Inclusive, action: o.Action}
	reached = "to the end of the WAL"
	at, byTime, _ := o.TargetTime()
	lsn, byLSN, _ := o.TargetLSN()
	switch {
	case byTime:
		end.target = setting{"recovery_target_time", formatTime(at)}
		reached = "up to " + formatTime(at)
		err = w.reachesTime(ctx, v, course, at, end)
	case byLSN:
		end.target = setting{"recovery_target_lsn", wal.LSN(lsn).String()}
		reached = "up to " + wal.LSN(lsn).String()
		err = w.reachesLSN(ctx, v, course, wal.LSN(lsn), end)
	case o.XID != "":
		end.target = setting{"recovery_target_xid", o.XID}
		reached = "up to transaction " + o.XID
	case o.Name != "":
		end.target = setting{"recovery_target_name", o.Name}
		reached = "up to the restore point " + strconv.Quote(o.Name)
	}
	if err != nil {
		return nil, "", w.completedBy("restore a newer WAL snapshot into it, or the same one again with another target or none", err)
	}
	if (o.XID != "" || o.Name != "") && !o.Quiet {
		slog.Warn("only the server can find the target; if it is not in the WAL, " + w.missed(end.target.name))
	}
	if (byTime || byLSN) && end.target.value == "" {
		reached = "to the end of the WAL, behind which the target is: nothing happened in between"
	}
	return end, fmt.Sprintf("%s on timeline %d", reached, course.Timeline), nil
}

// firstToMiss is the first major version whose recovery fails when it does not reach its target.
// Source: https://www.postgresql.org/docs/13/release-13.html
const firstToMiss = 13

// missed says what a server does that does not find its target, and what to do then.
func (w *walRestore) missed(name string) string {
	if w.base.major < firstToMiss {
		return fmt.Sprintf("PostgreSQL %d opens with all of the WAL: look whether its log says \"recovery stopping\"", w.base.major)
	}
	return fmt.Sprintf("the server stops with \"recovery ended before configured recovery target was reached\": "+
		"to recover to the end of the WAL then, remove the line %s from %s/%s and start it again", name, w.data.path, autoConf)
}

// timelineSetting is the value of recovery_target_timeline. Without a history file, which the
// timeline of a cluster that was never restored may lack, a server knows no number but 1.
func timelineSetting(v *inventory, course wal.History) string {
	if _, known := v.historyOf(course.Timeline); !known {
		return "current"
	}
	return strconv.FormatUint(uint64(course.Timeline), 10)
}

// reachesTime makes sure that the WAL reaches a moment. A server stops at the first
// transaction that ended after it, and refuses to start where there is none: then the
// end of the WAL is meant.
func (w *walRestore) reachesTime(ctx context.Context, v *inventory, course wal.History, at time.Time, end *stop) error {
	last := w.lastMoment(course)
	if !last.IsZero() && at.After(last) {
		return fmt.Errorf("option \"target_time\": the WAL reaches up to %s only, %s is after that", formatTime(last), formatTime(at))
	}
	found, err := w.lastCommit(ctx, v, course)
	switch {
	case errors.Is(err, errNoWaldump) && last.IsZero():
		slog.Warn(fmt.Sprintf("up to when the WAL reaches is not known: the snapshot does not say it, and %v; if no transaction ended after %s, %s",
			err, formatTime(at), w.missed("recovery_target_time")))
		return nil
	case errors.Is(err, errNoWaldump):
		slog.Warn(fmt.Sprintf("%v: if no transaction ended after %s, %s", err, formatTime(at), w.missed("recovery_target_time")))
		return nil
	case err != nil:
		return err
	case found.After(at) || end.exclusive && found.Equal(at):
		return nil
	case last.IsZero():
		return fmt.Errorf("option \"target_time\": the last transaction in the WAL ended at %s, and the snapshot does not say whether its WAL reaches %s", formatTime(found), formatTime(at))
	}
	return w.toEnd(ctx, v, course, end)
}

// reachesLSN makes sure that a record begins at the position or behind it: there a
// server notices that it is reached. Where the position is the end of the WAL, that is meant.
func (w *walRestore) reachesLSN(ctx context.Context, v *inventory, course wal.History, lsn wal.LSN, end *stop) error {
	behind, err := w.scan(ctx, v, course, lsn, false)
	switch {
	case errors.Is(err, errNoWaldump):
		slog.Warn(fmt.Sprintf("%v: if no record of the WAL begins at %s or behind it, %s", err, lsn, w.missed("recovery_target_lsn")))
		return nil
	case err != nil:
		return err
	case behind.records > 0:
		return nil
	}
	if w.promised(course) < lsn && behind.end != lsn {
		return fmt.Errorf("option \"target_lsn\": the WAL ends before %s", lsn)
	}
	// The record before it may reach into a segment that is missing.
	if err := w.covered(v, course, 0); err != nil {
		return err
	}
	return w.toEnd(ctx, v, course, end)
}

// toEnd makes the end of the WAL the target. To pause or shut down there, the server needs
// one that it can notice: the last record.
func (w *walRestore) toEnd(ctx context.Context, v *inventory, course wal.History, end *stop) error {
	end.target, end.exclusive = setting{}, false
	if end.action == "" || end.action == "promote" {
		return nil
	}
	found, err := w.lastRecord(ctx, v, course)
	if err != nil {
		return err
	}
	end.target = setting{"recovery_target_lsn", found.String()}
	return nil
}
