package rdsauth

import (
	"errors"
	"slices"
	"strings"

	"github.com/PlakarKorp/integration-postgresql/internal/conninfo"
	"github.com/PlakarKorp/integration-postgresql/internal/options"
)

// insecureModes are the ways to use TLS under which a token may be sent without it.
var insecureModes = []string{"disable", "allow", "prefer"}

const refusedHint = "an IAM token lets a database user in who is a member of rds_iam, whom the IAM policy allows rds-db:connect, " +
	"over TLS, when host and port are the ones that RDS gave the server and region is its region"

// Parse describes the connection to the RDS server that o leads to, with a new
// token for every use, and says what is questionable about it. Without a choice of
// the user's, TLS is required: libpq's default, and a weaker one from the
// environment, do not count. Neither does a password in the environment.
func Parse(o options.Connection, region string, environ []string) (conninfo.Info, []string, error) {
	info, err := conninfo.Parse(o, requireTLS(environ))
	if err != nil {
		return conninfo.Info{}, nil, err
	}
	switch {
	case info.HasPassword():
		err = errors.New("a password is not accepted in the location or service: an IAM token takes its place")
	case info.User() == "":
		err = errors.New("option \"username\" is required, or the name goes into the location: IAM tokens are made for one database user")
	case strings.HasPrefix(info.Host(), "/"), strings.HasPrefix(info.Host(), "@"):
		err = errors.New("option \"host\": a Unix socket does not lead to RDS: use the server's endpoint")
	}
	if err != nil {
		return conninfo.Info{}, nil, err
	}
	var warnings []string
	if slices.Contains(insecureModes, info.SSLMode()) {
		warnings = append(warnings, "ssl_mode="+info.SSLMode()+" may send the IAM token and the data unencrypted: use require, or better verify-full")
	}
	return info.WithPassword(NewTokens(region).Token, refusedHint), warnings, nil
}

// requireTLS is environ without a password, and with the default of TLS.
func requireTLS(environ []string) []string {
	mode := "require"
	kept := slices.DeleteFunc(slices.Clone(environ), func(entry string) bool {
		name, value, _ := strings.Cut(entry, "=")
		if name == "PGSSLMODE" && value != "" && !slices.Contains(insecureModes, value) {
			mode = value
		}
		return name == "PGSSLMODE" || name == "PGPASSWORD"
	})
	return append(kept, "PGSSLMODE="+mode)
}
