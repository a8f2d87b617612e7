package logical

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"syscall"

	"github.com/PlakarKorp/integration-postgresql/internal/pgtools"
	"github.com/PlakarKorp/integration-postgresql/internal/proc"
)

// duplicateObject is the SQLSTATE of CREATE ROLE and CREATE TABLESPACE for what is
// there already: the role that restores always is.
// Source: https://www.postgresql.org/docs/18/errcodes-appendix.html
const duplicateObject = "42710"

// globalsEnd is how pg_dumpall ends every script.
const globalsEnd = "\n-- PostgreSQL database cluster dump complete"

// maxGlobalErrors is how many errors of a script are kept for the message.
const maxGlobalErrors = 20

// restoreGlobals feeds the roles and tablespaces to psql. That an object exists is
// expected, any other error is a failure. The role that restores keeps its own
// attributes and password: the ones saved would lock it out, or demote it.
func (e *Exporter) restoreGlobals(ctx context.Context, script []byte) error {
	script = withoutStatements(script, func(statement string) bool {
		return alters(statement, e.server.roles...)
	})
	if err := e.runScript(ctx, script); err != nil {
		return fmt.Errorf("restoring the globals (roles and tablespaces): %w", err)
	}
	return nil
}

// runScript runs a script of SQL in psql and returns the errors that are none of
// those expected.
func (e *Exporter) runScript(ctx context.Context, script []byte) error {
	if len(script) == 0 {
		return nil
	}
	script, refused := harmless(script)
	if len(refused) > 0 && e.options.ExitOnError {
		return errors.Join(refused...)
	}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	env, err := e.server.info.Env(ctx)
	if err != nil {
		return err
	}
	found := scriptErrors{script: strings.Split(string(script), "\n")}
	err = proc.RunLines(ctx, proc.Command{
		Path:       e.server.psql.Path(pgtools.Psql),
		Args:       pgtools.PsqlArgs(e.server.info.ConnString()),
		Env:        append(env, "LC_ALL=C", "PGCLIENTENCODING=SQL_ASCII"),
		Stdin:      bytes.NewReader(script),
		StopSignal: syscall.SIGINT, // psql would leave its statement to the server on SIGTERM
	}, func(line string) {
		if found.add(line) && e.options.ExitOnError {
			stop(errStopped)
		}
	})
	if err != nil && !errors.Is(err, errStopped) {
		found.list = append(found.list, fmt.Errorf("%w: %s", err, found.last))
	}
	return errors.Join(append(refused, found.list...)...)
}

// scriptErrors collects the errors that psql reports while it runs a script.
type scriptErrors struct {
	script []string // its lines
	list   []error
	last   string // the last line that is not about a statement
}

// message is how psql reports what the server says, with VERBOSITY=verbose:
// "psql:<stdin>:12: ERROR:  42710: role "x" already exists". The severity is in the
// server's language.
var message = regexp.MustCompile(`^psql:[^:]*:(\d+): [^:]+:\s+([0-9A-Z]{5}): (.*)`)

// add takes a line of psql's stderr and reports whether it was a failure.
func (s *scriptErrors) add(line string) bool {
	m := message.FindStringSubmatch(line)
	if m == nil {
		if strings.HasPrefix(line, "psql:") {
			s.last = line
		}
		return false
	}
	number, code, text := m[1], m[2], m[3]
	// Classes 00, 01 and 02 are success, warning and no data.
	if code == duplicateObject || code < "03" {
		return false
	}
	switch len(s.list) {
	case maxGlobalErrors:
		s.list = append(s.list, errors.New("[more errors]"))
	case maxGlobalErrors + 1:
	default:
		s.list = append(s.list, fmt.Errorf("%s%s (SQLSTATE %s)", s.subject(number), text, code))
	}
	return true
}

// subject is the beginning of the statement that ends in a line of the script, up to
// its first literal: what a role is called, and not its password.
func (s *scriptErrors) subject(line string) string {
	n, err := strconv.Atoi(line)
	if err != nil || n < 1 || n > len(s.script) {
		return ""
	}
	text, _, _ := strings.Cut(s.script[n-1], "'")
	text, _, _ = strings.Cut(text, " WITH ")
	if text = strings.TrimSuffix(strings.TrimSpace(text), ";"); text == "" {
		return ""
	}
	return text + ": "
}
