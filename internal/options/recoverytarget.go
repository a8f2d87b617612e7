package options

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// RecoveryTarget is where a recovery ends, and what the server does there.
// Source: https://www.postgresql.org/docs/18/runtime-config-wal.html#RUNTIME-CONFIG-WAL-RECOVERY-TARGET
type RecoveryTarget struct {
	// Target is "" or "immediate".
	Target string `option:"target" enum:"immediate" doc:"immediate: recover no further than to where the backup is consistent; otherwise to the end of the WAL that there is"`
	// Time is a moment with its zone; see TargetTime.
	Time string `option:"target_time" doc:"with WAL: up to this moment, with its zone, like 2026-11-25 14:30:00+01"`
	// LSN is a position in the WAL, like "1/4A7F1C8".
	LSN string `option:"target_lsn" doc:"with WAL: up to this position, like 1/4A7F1C8"`
	// XID is a transaction's number.
	XID string `option:"target_xid" doc:"with WAL: up to the end of the transaction with this number"`
	// Name is that of a restore point.
	Name string `option:"target_name" doc:"with WAL: up to the restore point that pg_create_restore_point made under this name"`
	// Inclusive is whether what is exactly at the target is recovered.
	Inclusive bool `option:"target_inclusive" default:"true" doc:"recover what is exactly at target_time, target_lsn or target_xid as well"`
	// Timeline is "latest", "current" or a number; see TargetTimeline.
	Timeline string `option:"target_timeline" unset:"latest" doc:"with WAL: latest, the newest timeline that leads on from the backup; current, that of the backup; or a timeline's number"`
	// Action is what the server does at the target.
	Action string `option:"target_action" unset:"promote" enum:"promote|pause|shutdown" doc:"what the server does when it has reached the target"`
}

// maxTargetName is the longest name of a restore point, in bytes (MAXFNAMELEN of PostgreSQL).
const maxTargetName = 63

// check refuses more than one target, and values that no server understands.
func (t *RecoveryTarget) check() error {
	var given []string
	for _, o := range t.needsWAL() {
		if o.value != "" && o.name != "target_timeline" {
			given = append(given, o.name)
		}
	}
	if t.Target != "" {
		given = append(given, "target")
	}
	var errs []error
	if len(given) > 1 {
		errs = append(errs, fmt.Errorf("options %s: a recovery has one target: give one of them", strings.Join(given, ", ")))
	}
	if t.Action != "" && len(given) == 0 {
		errs = append(errs, errors.New("option \"target_action\": there is no target for it: give target_time, target_lsn, target_xid, target_name or target=immediate as well, or leave it out"))
	}
	if !t.Inclusive && t.Time == "" && t.LSN == "" && t.XID == "" {
		errs = append(errs, errors.New("option \"target_inclusive\": false is for target_time, target_lsn and target_xid: give one of them as well, or leave it out"))
	}
	_, _, errTime := t.TargetTime()
	_, _, errLSN := t.TargetLSN()
	_, _, errTimeline := t.TargetTimeline()
	return errors.Join(append(errs, errTime, errLSN, t.checkXID(), t.checkName(), errTimeline)...)
}

// optionValue is an option as it was given, "" if it was not.
type optionValue struct{ name, value string }

// Settings are those that decode to t.
func (t *RecoveryTarget) Settings() map[string]string {
	all := map[string]string{"target": t.Target, "target_inclusive": strconv.FormatBool(t.Inclusive), "target_action": t.Action}
	for _, o := range t.needsWAL() {
		all[o.name] = o.value
	}
	return all
}

// needsWAL are the options that say something about WAL beyond the backup.
func (t *RecoveryTarget) needsWAL() []optionValue {
	return []optionValue{
		{"target_time", t.Time}, {"target_lsn", t.LSN}, {"target_xid", t.XID}, {"target_name", t.Name}, {"target_timeline", t.Timeline},
	}
}

// Option is the first option that was given, "" for none.
func (t *RecoveryTarget) Option() string {
	if t.Target != "" {
		return "target"
	}
	return t.NeedsWAL()
}

// Text is the option that says where the recovery ends, with its value: "" for the end of the WAL.
func (t *RecoveryTarget) Text() string {
	for _, o := range append(t.needsWAL(), optionValue{"target", t.Target}) {
		if o.value != "" && o.name != "target_timeline" {
			return o.name + "=" + o.value
		}
	}
	return ""
}

// NeedsWAL returns the first option that only means something with WAL, "" for none.
func (t *RecoveryTarget) NeedsWAL() string {
	for _, o := range t.needsWAL() {
		if o.value != "" {
			return o.name
		}
	}
	return ""
}

// timeText matches what TargetTime accepts; RFC 3339 is among it.
var timeText = regexp.MustCompile(`^(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d)(:\d\d(?:\.\d{1,6})?)? ?(Z|UTC|[+-]\d\d(?::?\d\d)?)$`)

// TargetTime returns the target time, of microseconds as PostgreSQL's; ok is false for none.
func (t *RecoveryTarget) TargetTime() (at time.Time, ok bool, err error) {
	if t.Time == "" {
		return time.Time{}, false, nil
	}
	const accepted = "use a time with its distance from UTC, like 2026-11-25 14:30:00+01, 2026-11-25T14:30:00.5+05:30 or 2026-11-25 13:30:00Z"
	match := timeText.FindStringSubmatch(t.Time)
	if match == nil {
		return time.Time{}, false, fmt.Errorf("option \"target_time\": %q is not accepted: %s", t.Time, accepted)
	}
	day, minute, second, zone := match[1], match[2], match[3], match[4]
	if second == "" {
		second = ":00"
	}
	switch {
	case zone == "UTC":
		zone = "Z"
	case len(zone) == len("+01"):
		zone += ":00"
	case len(zone) == len("+0100"):
		zone = zone[:3] + ":" + zone[3:]
	}
	if at, err = time.Parse(time.RFC3339Nano, day+"T"+minute+second+zone); err != nil {
		return time.Time{}, false, fmt.Errorf("option \"target_time\": %q is not a time: %s", t.Time, accepted)
	}
	return at.UTC(), true, nil
}

var lsnText = regexp.MustCompile(`^([0-9A-Fa-f]{1,8})/([0-9A-Fa-f]{1,8})$`)

// TargetLSN returns the target position in the WAL; ok is false for none.
func (t *RecoveryTarget) TargetLSN() (lsn uint64, ok bool, err error) {
	if t.LSN == "" {
		return 0, false, nil
	}
	match := lsnText.FindStringSubmatch(t.LSN)
	if match == nil {
		return 0, false, fmt.Errorf("option \"target_lsn\": %q is not a position in the WAL: use one like 1/4A7F1C8", t.LSN)
	}
	high, errHigh := strconv.ParseUint(match[1], 16, 32)
	low, errLow := strconv.ParseUint(match[2], 16, 32)
	return high<<32 | low, true, errors.Join(errHigh, errLow)
}

// checkXID accepts the numbers of transactions, which begin at 3 and have 32 bits. PostgreSQL
// takes the lower ones of a longer number, as pg_current_xact_id returns it.
func (t *RecoveryTarget) checkXID() error {
	if t.XID == "" {
		return nil
	}
	if n, err := strconv.ParseUint(t.XID, 10, 64); err != nil || uint32(n) < 3 { // #nosec G115 -- the lower half
		return fmt.Errorf("option \"target_xid\": %q is not the number of a transaction: use one like 74231", t.XID)
	}
	return nil
}

func (t *RecoveryTarget) checkName() error {
	if len(t.Name) > maxTargetName || strings.ContainsAny(t.Name, "\n\r\x00\\") {
		return fmt.Errorf("option \"target_name\": %q is not the name of a restore point: it has at most %d bytes, and no line break or backslash", t.Name, maxTargetName)
	}
	return nil
}

// TargetTimeline returns the number of the target timeline, 0 for the latest; current is true for
// that of the backup.
func (t *RecoveryTarget) TargetTimeline() (timeline uint32, current bool, err error) {
	switch t.Timeline {
	case "", "latest":
		return 0, false, nil
	case "current":
		return 0, true, nil
	}
	n, err := strconv.ParseUint(t.Timeline, 10, 32)
	if err != nil || n == 0 || n > math.MaxInt32 {
		return 0, false, fmt.Errorf("option \"target_timeline\": %q is not accepted: use latest, current or the number of a timeline, like 2", t.Timeline)
	}
	return uint32(n), false, nil
}
