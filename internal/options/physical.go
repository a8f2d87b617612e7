package options

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
)

// Physical holds the options of a physical backup. It is always of the whole
// cluster: Database is refused, as a path in the URI is.
type Physical struct {
	Connection

	// Method is who asks the server for the backup: one of the constants below.
	Method string `option:"method" default:"auto" enum:"auto|protocol|pg_basebackup" doc:"who asks the server for the backup: protocol is the plugin itself, for PostgreSQL 15 and later; auto takes it where the server can, and pg_basebackup otherwise"`
	// Checkpoint is how the server makes the checkpoint that the backup begins
	// with; "spread" can take minutes, and little I/O.
	Checkpoint string `option:"checkpoint" default:"fast" enum:"fast|spread" doc:"how the server makes the checkpoint that the backup begins with; spread can take minutes"`
	// MaxRate is what the server sends per second at the most, as pg_basebackup
	// takes it; empty for no limit. See MaxRateKB.
	MaxRate string `option:"max_rate" doc:"what the server sends per second at the most: 32k to 1024M"`
	// SpoolDir is where large files wait for a free worker; see spool.Memory for "".
	SpoolDir string `option:"spool_dir" doc:"where large files wait for a free worker; without it in memory, as far as a quarter of what is free goes, then in the system's temporary directory"`
	// SpoolSize is how much of large files may wait.
	SpoolSize Size `option:"spool_size" default:"1GiB" doc:"how much of large files may wait; 0: none"`

	Reporting
}

// The values of Physical.Method.
const (
	MethodAuto     = "auto"
	MethodProtocol = "protocol"      // BASE_BACKUP over the replication protocol
	MethodTool     = "pg_basebackup" // the program
)

// DecodePhysical reads the settings of a physical importer.
func DecodePhysical(settings map[string]string) (Physical, error) {
	var o Physical
	if err := decode(settings, &o); err != nil {
		return Physical{}, err
	}
	_, err := o.MaxRateKB()
	return o, errors.Join(o.Connection.check(), o.CheckSelection(o.Database), err)
}

// CheckSelection refuses a database, whether an option or the URI selects it.
func (o *Physical) CheckSelection(database string) error {
	if database == "" {
		return nil
	}
	return fmt.Errorf("option \"database\": a physical backup is always of the whole cluster: leave out the database %q, also in the URI, or use postgres:// for a logical backup of it", database)
}

// Limits of MAX_RATE, in kB/s.
// Source: https://www.postgresql.org/docs/18/protocol-replication.html#PROTOCOL-REPLICATION-BASE-BACKUP
const (
	minRate = 32
	maxRate = 1 << 20
)

var ratePattern = regexp.MustCompile(`^(\d+(?:\.\d+)?) *([kM]?)B?$`)

// MaxRateKB is MaxRate in kB/s, 0 for no limit.
func (o *Physical) MaxRateKB() (int, error) {
	if o.MaxRate == "" {
		return 0, nil
	}
	refused := invalidValue(Field{Name: "max_rate"}, o.MaxRate, `a rate per second from "32k" to "1024M"`)
	match := ratePattern.FindStringSubmatch(o.MaxRate)
	if match == nil {
		return 0, refused
	}
	rate, err := strconv.ParseFloat(match[1], 64)
	if match[2] == "M" {
		rate *= 1024
	}
	if err != nil || rate < minRate || rate > maxRate {
		return 0, refused
	}
	return int(rate), nil
}

// Summary lists the options that shape the backup, for the manifest. It holds no
// connection option and so no secret.
func (o *Physical) Summary() map[string]any {
	summary := map[string]any{"checkpoint": o.Checkpoint}
	if o.MaxRate != "" {
		summary["max_rate"] = o.MaxRate
	}
	return summary
}
