package check

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/PlakarKorp/integration-postgresql/internal/conninfo"
	"github.com/PlakarKorp/integration-postgresql/internal/options"
	"github.com/PlakarKorp/integration-postgresql/internal/pgtools"
	"github.com/PlakarKorp/integration-postgresql/internal/proc"
)

// limits are settings of the original that the server needs again, and the sizes that its files have.
type limits struct {
	preparedTransactions int
	locks                int
	pageSize             int64 // in bytes
	segmentSize          int64 // of a file of a table, in bytes
}

// server is a scratch server.
type server struct {
	*scratch
	tools pgtools.Installation
	info  conninfo.Info // of the superuser who connects
	args  []string      // that postgres was started with

	cancel context.CancelCauseFunc
	done   chan struct{} // closed when err is set
	err    error

	log serverLog
}

// environment is that of the server's programs: nothing of plakar's gets there.
func environment() []string {
	env := []string{"LC_ALL=C", "TZ=UTC"}
	for _, name := range []string{"PATH", "HOME", "LD_LIBRARY_PATH", "TMPDIR"} {
		if value, set := os.LookupEnv(name); set {
			env = append(env, name+"="+value)
		}
	}
	return env
}

// command is one of a program of the server, as its user.
func (s *server) command(tool string, args ...string) proc.Command {
	return proc.Command{Path: s.tools.Path(tool), Args: args, Env: environment(), Dir: s.dir, User: s.as}
}

// findLimits reads the limits that the original had.
func (s *server) findLimits(ctx context.Context) (limits, error) {
	out, err := proc.Output(ctx, s.command(pgtools.PgControldata, s.path(dataName)))
	if err != nil {
		return limits{}, err
	}
	var l limits
	for line := range strings.Lines(out) {
		name, value, _ := strings.Cut(line, ":")
		n, err := strconv.Atoi(strings.TrimSpace(value))
		if err != nil {
			continue
		}
		switch name {
		case "max_prepared_xacts setting":
			l.preparedTransactions = n
		case "max_locks_per_xact setting":
			l.locks = n
		case "Database block size":
			l.pageSize = int64(n)
		case "Blocks per segment of large relation":
			l.segmentSize = int64(n) * l.pageSize // which comes before it
		}
	}
	return l, nil
}

// errEnded is for a server that ended before it was ready.
var errEnded = errors.New("the server ended before it accepted connections")

// lookInterval is how often a server that starts is asked whether it is ready.
const lookInterval = 20 * time.Millisecond

// start starts the server and returns when it accepts connections. The server ends with ctx,
// or with stop.
func (s *server) start(ctx context.Context, all []setting) error {
	run, cancel := context.WithCancelCause(ctx)
	s.cancel, s.done = cancel, make(chan struct{})
	s.log.reset()
	s.args = arguments(s.path(dataName), s.tools.Major, all)
	c := s.command(pgtools.Postgres, s.args...)
	// On SIGQUIT it ends at once. What it has not written is not needed.
	c.StopSignal, c.OnStderrLine = syscall.SIGQUIT, s.log.line
	// Its processes are in groups of their own, and see that the first one is gone when they come
	// to it: one that never does would hold up the check.
	c.OnExit = func() { signal(s.dir, syscall.SIGKILL) }
	go func() {
		s.err = proc.Run(run, c)
		cancel(nil)
		close(s.done)
	}()
	look := time.NewTicker(lookInterval)
	defer look.Stop()
	for {
		select {
		case <-s.done:
			return s.failed(ctx)
		case <-look.C:
			if s.ready() {
				return nil
			}
		}
	}
}

// ready reports whether the server says in its postmaster.pid that it accepts connections, as
// pg_ctl asks it: a library could keep its log to itself.
// Source: src/include/utils/pidfile.h
func (s *server) ready() bool {
	text, err := os.ReadFile(s.path(pidName)) // #nosec G304 -- ours
	lines := strings.Split(string(text), "\n")
	const line = 7
	return err == nil && len(lines) > line && strings.TrimSpace(lines[line]) == "ready"
}

// failed says why the server did not start.
func (s *server) failed(ctx context.Context) error {
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, context.Canceled) {
		return cause
	}
	if said := s.log.worst(); len(said) > 0 {
		return fmt.Errorf("%w: %s", errEnded, strings.Join(said, "; "))
	}
	return errors.Join(errEnded, s.err)
}

// alive returns a context that ends with the server as well: nothing waits for one that is gone.
func (s *server) alive(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	go func() {
		select {
		case <-s.done:
			cancel(s.gone())
		case <-ctx.Done():
		}
	}()
	return ctx, func() { cancel(nil) }
}

// gone says why the server ended.
func (s *server) gone() error {
	if said := s.log.worst(); len(said) > 0 {
		return fmt.Errorf("the server ended: %s", strings.Join(said, "; "))
	}
	return errors.Join(errors.New("the server ended"), s.err)
}

// stop ends the server. It returns when it has ended.
func (s *server) stop() {
	if s.done == nil {
		return
	}
	s.cancel(nil)
	<-s.done
}

// sessionLocation begins a connection: a library that the settings of a role or database name
// may be missing here, and a trigger on login may let nobody in.
func (s *server) sessionLocation() string {
	location := "postgres:///?options=-c%20session_preload_libraries%3D%20-c%20local_preload_libraries%3D"
	const withLoginTriggers = 17
	if s.tools.Major >= withLoginTriggers {
		location += "%20-c%20event_triggers%3Doff"
	}
	return location
}

// connection describes a connection of a role.
func (s *server) connection(role string) (conninfo.Info, error) {
	return conninfo.Parse(options.Connection{
		Location: s.sessionLocation(), Host: s.path(socketName), Port: port, Username: role, SSLMode: "disable",
	}, environment())
}

// dial connects as the bootstrap superuser, whose number is 10 whatever its name: nothing
// is closed to it. Some superuser tells its name.
// Source: BOOTSTRAP_SUPERUSERID in src/include/catalog/pg_authid.dat
func (s *server) dial(ctx context.Context, superusers, databases []string) error {
	databases = slices.Concat([]string{"postgres", "template1"}, databases)
	var errs []error
	for _, role := range slices.Compact(slices.Concat(superusers, []string{"postgres"})) {
		info, err := s.connection(role)
		if err != nil {
			return err
		}
		pinned, conn, err := info.Dial(ctx, databases...)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		var first string
		var canLogin bool
		err = conn.QueryRow(ctx, "SELECT rolname::text, rolcanlogin FROM pg_catalog.pg_roles WHERE oid = 10").Scan(&first, &canLogin)
		if err = errors.Join(err, conn.Close(ctx)); err != nil {
			return err
		}
		s.info = pinned
		if first == role || !canLogin {
			return nil
		}
		if info, err = s.connection(first); err != nil {
			return err
		}
		if pinned, conn, err = info.Dial(ctx, databases...); err != nil {
			return err
		}
		s.info = pinned
		return conn.Close(ctx)
	}
	return fmt.Errorf("no superuser can connect: %w", errors.Join(errs...))
}

// query asks a question in a database, and gives each row to scan.
func (s *server) query(ctx context.Context, database, sql string, scan func(pgx.Rows) error) error {
	conn, err := s.info.Connect(ctx, database)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	rows, err := conn.Query(ctx, sql)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// serverLog is what a server says, the last of it.
type serverLog struct {
	mu    sync.Mutex
	lines []string // with an ERROR, FATAL or PANIC
}

// maxLines is how many lines are kept.
const maxLines = 20

func (l *serverLog) reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = nil
}

// line takes a line of the log.
func (l *serverLog) line(text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, level := range []string{"ERROR:", "FATAL:", "PANIC:", "HINT:"} {
		if strings.HasPrefix(text, level) || strings.Contains(text, " "+level) {
			l.lines = append(l.lines, strings.Join(strings.Fields(text), " "))
			l.lines = l.lines[max(0, len(l.lines)-maxLines):]
			return
		}
	}
}

// worst are the lines with an error.
func (l *serverLog) worst() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.lines)
}
