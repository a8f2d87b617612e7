package options

import (
	"errors"
	"fmt"
	"regexp"
)

// WAL holds the options of a backup of the WAL. It is always that of the whole
// cluster: Database is refused, as a path in the URI is.
type WAL struct {
	Connection `refuse:"database=the WAL is that of the whole cluster"`

	// Slot is a physical replication slot, one for each store.
	Slot string `option:"slot" default:"plakar" doc:"physical replication slot that keeps the WAL on the server until it is backed up; one for each store; created if it is missing"`
	// Window is how much WAL a snapshot reaches back.
	Window Size `option:"window" default:"128GiB" doc:"how much WAL back a snapshot reaches: more than is written between two base backups"`
	// ContinueOnError keeps a snapshot before which WAL is missing.
	ContinueOnError bool `option:"continue_on_error" default:"false" doc:"with WAL missing since the previous snapshot: keep the snapshot, which then begins after the gap"`
	// SpoolDir is where segments wait for a free worker; see spool.Memory for "".
	SpoolDir string `option:"spool_dir" doc:"where segments wait for a free worker; without it in memory, as far as a quarter of what is free goes, then in the system's temporary directory"`
	// SpoolSize is how much may wait.
	SpoolSize Size `option:"spool_size" default:"1GiB" doc:"how much may wait; 0: one segment after the other is passed on as the server sends it"`
}

// slotName is what PostgreSQL accepts, and what can be written without quotes.
// Source: ReplicationSlotValidateName in src/backend/replication/slot.c
var slotName = regexp.MustCompile(`^[a-z0-9_]{1,63}$`)

// DecodeWAL reads the settings of an importer of the WAL.
func DecodeWAL(settings map[string]string) (WAL, error) {
	var o WAL
	if err := decode(settings, &o); err != nil {
		return WAL{}, err
	}
	var errs []error
	if !slotName.MatchString(o.Slot) {
		errs = append(errs, invalidValue(Field{Name: "slot"}, o.Slot, "1 to 63 lower-case letters, digits and underscores"))
	}
	if o.Window == 0 || o.Window > maxWindow {
		errs = append(errs, invalidValue(Field{Name: "window"}, settings["window"], `a size like "128GiB", more than 0 and at the most 1 EiB`))
	}
	return o, errors.Join(append(errs, o.Connection.check())...)
}

// maxWindow is in bytes.
const maxWindow = 1 << 60

// CheckSelection refuses a database that the URI selects.
func (o *WAL) CheckSelection(database string) error {
	if database == "" {
		return nil
	}
	return fmt.Errorf("option \"location\": the WAL is that of the whole cluster: leave out the database %q in the URI", database)
}

// Summary lists the options that shape the backup, for the manifest. It holds no
// connection option and so no secret.
func (o *WAL) Summary() map[string]any {
	return map[string]any{"slot": o.Slot, "window": uint64(o.Window), "continue_on_error": o.ContinueOnError}
}
