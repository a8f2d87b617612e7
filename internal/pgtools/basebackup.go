package pgtools

import (
	"strconv"

	"github.com/PlakarKorp/integration-postgresql/internal/options"
)

// BasebackupArgs is pg_basebackup's argument list for one tar archive on its
// standard output, with the WAL in it. connString holds no secret.
func BasebackupArgs(o *options.Physical, label, connString string) []string {
	args := []string{
		"--pgdata=-", "--format=tar", "--wal-method=fetch", "--no-password",
		"--checkpoint=" + o.Checkpoint, "--label=" + label, "--dbname=" + connString,
	}
	if rate, err := o.MaxRateKB(); err == nil && rate > 0 {
		args = append(args, "--max-rate="+strconv.Itoa(rate))
	}
	return args
}
