package physical

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/PlakarKorp/integration-postgresql/internal/options"
)

// restoreCommand fetches WAL that was restored into the data directory, a partial segment if
// that is all there is of it. An exit status of 1 means that there is no such file; 255 ends
// the recovery, where it could not be copied.
const restoreCommand = `f="pg_wal/plakar/%f"; test -f "$f" || f="$f.partial"; test -f "$f" || exit 1; cp "$f" "%p" || exit 255`

// inert are the settings with which a copy does not act as the original: off with
// settings=safe. The names are those of every version from 12 on.
var inert = []setting{
	{"archive_mode", "off"},
	{"synchronous_standby_names", ""},
	{"primary_conninfo", ""},
	{"primary_slot_name", ""},
	{"recovery_end_command", ""},
	{"archive_cleanup_command", ""},
	{"recovery_min_apply_delay", "0"},
	{"max_logical_replication_workers", "0"},
	{"cron.launch_active_jobs", "off"}, // without pg_cron, nobody asks for it
}

// targetNames are the recovery targets, of which a server accepts one only.
var targetNames = []string{"recovery_target", "recovery_target_time", "recovery_target_xid", "recovery_target_name", "recovery_target_lsn"}

// stop is where a recovery ends, and what the server does there.
type stop struct {
	target    setting // without a name: the end of the WAL
	timeline  string  // "" for that of the backup's own settings
	exclusive bool
	action    string // "" for promote
}

// settings are those that a server needs for it.
func (s *stop) settings() []setting {
	var all []setting
	if s.timeline != "" {
		inclusive := "on"
		if s.exclusive {
			inclusive = "off"
		}
		all = append(all, setting{"recovery_target_timeline", s.timeline}, setting{"recovery_target_inclusive", inclusive})
	}
	// The server takes settings in the order of the file, and no other target, not even an
	// empty one, behind the one that is set.
	for _, name := range targetNames {
		if name != s.target.name {
			all = append(all, setting{name, ""})
		}
	}
	if s.target.name != "" {
		all = append(all, s.target)
	}
	return append(all, setting{"recovery_target_action", cmp.Or(s.action, "promote")})
}

// staysStandby reports whether the copy goes on as the standby that the original was:
// only if all settings are kept, and it is not asked to stop anywhere. (With
// standby.signal, a server tries for ever to get what a target needs.)
func (r *restore) staysStandby() bool {
	return r.standby && r.options.Settings == "keep" && r.options.Target == ""
}

// standbyLabel is in the backup_label of a backup that was taken from a standby.
var standbyLabel = []byte("BACKUP FROM: standby")

// withoutTarget reports whether target=immediate has to be left out: the WAL that comes with
// a backup of a quiet standby ends exactly where the data is consistent. The server notices
// a target at the record behind it, and refuses to start when there is none. The end of
// the WAL is that place then, or one shortly after it.
func (r *restore) withoutTarget() (bool, error) {
	if r.options.Target == "" {
		return false, nil
	}
	label, err := r.readConfig("backup_label")
	if err != nil || !bytes.Contains(label, standbyLabel) {
		return false, err
	}
	if a := r.options.Action; a != "" && a != "promote" {
		return false, fmt.Errorf("option \"target_action\": with the backup of a standby, the server may not notice that it has reached the target: use promote, or leave it out, in place of %q", a)
	}
	r.warn("this is the backup of a standby: in place of target=immediate, the server recovers to the end of the WAL that the backup holds")
	return true, nil
}

// overrides are the settings of our own. Without recovery.signal and a restore_command, the
// server would stay on the timeline of the original, and write other WAL under the same
// names. A nil end leaves the targets of the backup's own settings.
func overrides(o *options.PhysicalRestore, end *stop) []setting {
	all := []setting{{"restore_command", restoreCommand}}
	if o.Settings == "safe" {
		all = append(all, inert...)
	}
	if end != nil {
		all = append(all, end.settings()...)
	}
	return all
}

// baseStop is where the recovery of a base backup without other WAL ends.
func baseStop(o *options.PhysicalRestore) *stop {
	if o.Settings != "safe" && o.Target == "" {
		return nil
	}
	end := &stop{action: o.Action}
	if o.Target != "" {
		end.target = setting{"recovery_target", o.Target}
	}
	if o.Settings == "safe" {
		end.timeline = "latest"
	}
	return end
}

// configure makes the server recover, and end on a new timeline.
func (r *restore) configure() error {
	if r.major < firstWithSignals {
		r.warn(fmt.Sprintf("PostgreSQL %d has no recovery.signal: settings and recovery.conf are as they were backed up, and the copy stays on the timeline of the original; "+
			"before you start it, look at archive_command, recovery.conf and subscriptions", r.major))
		return nil
	}
	if r.standby && !r.staysStandby() {
		if err := r.plan.data.root.Remove(standbySignal); err != nil {
			return err
		}
	}
	text, err := r.plan.data.root.ReadFile(autoConf)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if r.staysStandby() {
		r.warn("the copy stays a standby (standby.signal), with the settings of the original")
		// The empty block says that the directory is one that we restored.
		return r.replace(autoConf, withBlock(text, nil))
	}
	if r.options.Settings == "safe" {
		r.warn(undo(parseConf(withoutBlock(text))))
	}
	chosen := *r.options
	without, err := r.withoutTarget()
	if err != nil {
		return err
	}
	if without {
		chosen.Target, chosen.Action = "", ""
	}
	return errors.Join(r.replace(recoverySignal, nil), r.replace(autoConf, withBlock(text, overrides(&chosen, baseStop(&chosen)))))
}

// undo is the warning about what is off. It ends with SQL for when the copy takes the
// original's place. What ALTER SYSTEM had set is set again, but for values that may hold
// a secret.
func undo(before map[string]string) string {
	var names, sql []string
	for _, s := range inert {
		names = append(names, s.name)
		value, set := before[s.name]
		switch {
		case !set:
			sql = append(sql, "ALTER SYSTEM RESET "+s.name+";")
		case slices.Contains([]string{"primary_conninfo", "recovery_end_command", "archive_cleanup_command"}, s.name):
			sql = append(sql, "ALTER SYSTEM SET "+s.name+" = '...'; /* as postgresql.auto.conf has it before our lines */")
		default:
			sql = append(sql, "ALTER SYSTEM SET "+s.name+" = "+quote(value)+";")
		}
	}
	return "so that the copy does not act as the original, these are off in it, as are recovery targets: " + strings.Join(names, ", ") +
		"; where it takes the original's place, turn them on again and restart it: " + strings.Join(sql, " ")
}

// replace writes a file of the data directory, or writes it anew.
func (r *restore) replace(name string, text []byte) error {
	return replaceFile(r.plan.data.root, r.plan.owner, r.access().file, name, text)
}

// temporarySuffix is behind the name of a file that is written. A base backup leaves such a
// postgresql.auto.conf out.
const temporarySuffix = ".tmp"

// replaceFile writes a file below root, with the mode that it has or else the given one.
func replaceFile(root *os.Root, own owner, mode fs.FileMode, name string, text []byte) error {
	if info, err := root.Lstat(name); err == nil {
		mode = info.Mode().Perm()
	}
	temporary := name + temporarySuffix
	f, err := root.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err = errors.Join(err, own.giveFile(f), f.Chmod(mode), f.Sync(), f.Close()); err != nil {
		return err
	}
	return root.Rename(temporary, name)
}

func (r *restore) warn(text string) { r.warnings = append(r.warnings, text) }
