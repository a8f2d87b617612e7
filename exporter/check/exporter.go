package check

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/PlakarKorp/kloset/connectors"

	"github.com/PlakarKorp/integration-postgresql/internal/options"
	"github.com/PlakarKorp/integration-postgresql/internal/pgtools"
	"github.com/PlakarKorp/integration-postgresql/internal/plugin"
	"github.com/PlakarKorp/integration-postgresql/internal/recordname"
)

// Exporter proves that a snapshot can be restored. It implements plugin.Target.
type Exporter struct {
	protocol string
	options  options.Check
	parent   string // absolute
	report   *Report

	ctx      context.Context    //nolint:containedctx // of the whole proof, with its time limit
	cancel   context.CancelFunc // ends it
	held     *record            // the directory "/", until it is known what follows
	way      way                // nil before
	scratch  *scratch           // nil before
	reported bool
	kept     string // how to reach the server that was kept; "" for none
	waits    string // how the base backup that was prepared goes on; "" for none
}

var _ plugin.Target = (*Exporter)(nil)

// way is how a snapshot is restored and looked at.
type way interface {
	// restore restores a record.
	restore(ctx context.Context, r *record) error
	// finish restores what is left, and returns a check of a server that accepts connections.
	finish(ctx context.Context) (*check, error)
	// compare says what differs in a database from what the snapshot has.
	compare(ctx context.Context, database string, found *content, d *Database) error
	// abort ends what goes on in the background.
	abort()
}

// record is one of a snapshot with its content, nil for none.
type record struct {
	*connectors.Record
	content io.Reader
	ack     func(error)
}

// New returns the exporter that the settings describe. It touches nothing.
func New(protocol string, settings map[string]string, _ []string) (plugin.Target, error) {
	o, err := options.DecodeCheck(settings)
	if err != nil {
		return nil, err
	}
	parent, err := o.Directory()
	if err != nil {
		return nil, err
	}
	// plakar starts its plugins where it was started itself.
	if parent, err = filepath.Abs(parent); err != nil {
		return nil, fmt.Errorf("option \"location\": %w", err)
	}
	for option, file := range map[string]*string{"report": &o.Report, "dump": &o.Dump} {
		if *file == "" {
			continue
		}
		if *file, err = filepath.Abs(*file); err != nil {
			return nil, fmt.Errorf("option %q: %w", option, err)
		}
	}
	return &Exporter{protocol: protocol, options: o, parent: parent, report: newReport(o.Level)}, nil
}

// Origin implements plugin.Target.
func (e *Exporter) Origin() string { return e.parent }

// Type implements plugin.Target.
func (e *Exporter) Type() string { return e.protocol }

// Precheck implements plugin.Target. As with any other wrong option, there is no report.
func (e *Exporter) Precheck(context.Context) error {
	_, err := e.place()
	return err
}

// Ping implements plugin.Target: it looks at the directory and for server programs, and says of
// which versions there are some.
func (e *Exporter) Ping(ctx context.Context) error {
	p, err := e.place()
	if err != nil {
		return err
	}
	if waiting, err := p.describePrepared(); err != nil {
		return err
	} else if waiting != "" {
		slog.Info("here waits for its WAL: " + waiting)
	}
	all, err := pgtools.NewFinder(e.options.PgBinDir).Installed(ctx, needed(e.options.Level)...)
	if err != nil {
		return fmt.Errorf("no PostgreSQL server is installed here that a snapshot could be restored into: %w\nhint: install that of the snapshot's version (Debian, Ubuntu: postgresql-17), or set pg_bin_dir to its directory", err)
	}
	have := make([]string, 0, len(all))
	for _, s := range all {
		have = append(have, s.Version)
	}
	slog.Info("snapshots of these versions can be checked here: PostgreSQL " + strings.Join(have, ", "))
	return nil
}

// place checks what the options name.
func (e *Exporter) place() (place, error) {
	for option, file := range map[string]string{"report": e.options.Report, "dump": e.options.Dump} {
		if file == "" {
			continue
		}
		if info, err := os.Stat(filepath.Dir(file)); err != nil || !info.IsDir() {
			return place{}, fmt.Errorf("option %q: %s is not a directory that exists", option, filepath.Dir(file))
		}
	}
	if _, err := os.Lstat(e.options.Dump); e.options.Dump != "" && err == nil {
		return place{}, fmt.Errorf("option \"dump\": %s exists: give a file that does not", e.options.Dump)
	}
	return findPlace(e.parent, e.options.Owner)
}

// errTimeout is why a proof ends that takes longer than the option timeout allows.
var errTimeout = errors.New("option \"timeout\": the check took longer")

// Restore implements plugin.Target.
func (e *Exporter) Restore(ctx context.Context, r *connectors.Record, content io.Reader, ack func(error)) error {
	if e.ctx == nil {
		e.begin(ctx)
	}
	noted := func(err error) {
		e.report.problem(err)
		ack(err)
	}
	if content != nil {
		content = &limitedReader{e.ctx, content}
	}
	err := e.take(&record{r, content, noted})
	if err == nil && e.ctx.Err() != nil {
		err = context.Cause(e.ctx)
	}
	if err != nil {
		e.report.problem(err)
		return errors.Join(err, e.conclude())
	}
	return nil
}

// begin starts the clock.
func (e *Exporter) begin(ctx context.Context) {
	if e.options.Timeout > 0 {
		e.ctx, e.cancel = context.WithTimeoutCause(ctx, e.options.Timeout, fmt.Errorf("%w than %s", errTimeout, e.options.Timeout))
	} else {
		e.ctx, e.cancel = context.WithCancel(ctx)
	}
}

// limitedReader is content that ends with the time limit.
type limitedReader struct {
	ctx context.Context //nolint:containedctx // as above
	r   io.Reader
}

// Read implements io.Reader.
func (l *limitedReader) Read(p []byte) (int, error) {
	if l.ctx.Err() != nil {
		return 0, context.Cause(l.ctx)
	}
	return l.r.Read(p)
}

// take restores a record.
func (e *Exporter) take(r *record) error {
	if r.Pathname == recordname.Manifest && r.content != nil {
		if err := e.readManifest(r); err != nil {
			return err
		}
	}
	if e.way != nil {
		return e.way.restore(e.ctx, r)
	}
	if e.held == nil && r.Pathname == "/" {
		e.held = r
		return nil
	}
	if err := e.choose(r); err != nil {
		return err
	}
	if e.held != nil {
		if err := e.way.restore(e.ctx, e.held); err != nil {
			return err
		}
	}
	return e.way.restore(e.ctx, r)
}

// Finish implements plugin.Target: it succeeds only if the proof does.
func (e *Exporter) Finish(ctx context.Context) error {
	if e.way == nil {
		e.report.problem(errors.New("plakar sent nothing to check"))
		return e.conclude()
	}
	if err := context.Cause(ctx); err != nil {
		e.report.problem(err)
		return e.conclude()
	}
	if e.options.Prepare {
		e.report.problem(e.prepare(e.ctx))
	} else {
		e.report.problem(e.check(e.ctx))
	}
	return e.conclude()
}

// check finishes the restore and looks at what is there.
func (e *Exporter) check(ctx context.Context) error {
	c, err := e.way.finish(ctx)
	if err != nil {
		return err
	}
	err = c.run(ctx, e.way)
	if !e.options.Keep || ctx.Err() != nil {
		return err
	}
	// Now more than ever if something is wrong with it.
	text, errKeep := c.server.keep(ctx)
	if errKeep != nil {
		return errors.Join(err, fmt.Errorf("option \"keep\": %w", errKeep))
	}
	e.kept = text
	return err
}

// conclude reports, once, and returns an error unless the proof succeeded.
func (e *Exporter) conclude() error {
	if e.reported {
		return nil
	}
	e.reported = true
	e.report.end()
	if e.waits != "" {
		fmt.Fprint(os.Stderr, e.waits)
		return nil // what the option report names is about a check, and none was made
	}
	if err := e.report.write(e.options.Report); err != nil {
		e.report.problem(err)
		e.report.end()
	}
	fmt.Fprint(os.Stderr, e.report.Text()+e.kept)
	if n := len(e.report.Problems); n > 0 {
		text := e.report.Problems[0]
		if n > 1 {
			text += fmt.Sprintf(" (and %d more problems, in the report)", n-1)
		}
		return fmt.Errorf("the snapshot did not pass the check: %s", text)
	}
	return nil
}

// Abort implements plugin.Target.
func (e *Exporter) Abort() {
	if e.way != nil {
		e.way.abort()
	}
	e.report.problem(errors.New("the check was cut off before its end"))
	if err := e.conclude(); err != nil && e.ctx != nil && e.ctx.Err() == nil {
		slog.Error(err.Error())
	}
}

// Close implements plugin.Target: nothing is left, but a base backup that waits. plakar does not
// tell what goes wrong here.
func (e *Exporter) Close(ctx context.Context) error {
	if e.cancel != nil {
		e.cancel()
	}
	if e.scratch == nil || e.kept != "" {
		return nil
	}
	err := e.leave(ctx)
	switch {
	case err != nil && ctx.Err() != nil:
		slog.Warn(fmt.Sprintf("removing %s takes longer, and goes on by itself", e.scratch.dir))
	case err != nil:
		slog.Error(err.Error())
	}
	return err
}

// leave removes the scratch directory, or leaves the base backup as it was.
func (e *Exporter) leave(ctx context.Context) error {
	if p, isPhysical := e.way.(*physicalWay); isPhysical && p.wal && p.target.Untouched() {
		return errors.Join(p.target.Close(ctx), e.scratch.setAside(nil))
	}
	return e.scratch.remove(ctx)
}
