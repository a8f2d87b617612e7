package check

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"golang.org/x/sync/errgroup"

	"github.com/PlakarKorp/integration-postgresql/internal/options"
	"github.com/PlakarKorp/integration-postgresql/manifest"
)

// check is a proof that is going on.
type check struct {
	options  *options.Check
	report   *Report
	progress *progress
	server   *server
	make     func() (*scratch, error)
}

// progressInterval is how often a line says how far it is.
const progressInterval = 30 * time.Second

// run looks at a server that accepts connections, and dumps tables out of it.
func (c *check) run(ctx context.Context, w way) error {
	ctx, done := c.server.alive(ctx)
	defer done()
	err := c.unlock(ctx)
	if err == nil {
		err = c.look(ctx, w)
	}
	if err == nil {
		err = c.dumpTables(ctx)
	}
	if cause := context.Cause(ctx); !errors.Is(err, cause) {
		err = errors.Join(err, cause)
	}
	return err
}

// unlock makes sure that nothing waits for a lock for ever.
func (c *check) unlock(ctx context.Context) error {
	n, err := c.server.rollbackPrepared(ctx)
	if err != nil {
		return fmt.Errorf("rolling back prepared transactions: %w", err)
	}
	if n > 0 {
		c.report.warn(fmt.Sprintf("%d prepared transactions, which are neither committed nor rolled back in the snapshot, were rolled back in the scratch server: their locks would be in the way", n))
	}
	return nil
}

// look looks at the server as the level says.
func (c *check) look(ctx context.Context, w way) error {
	version, systemID, all, closed, err := c.server.version(ctx)
	if err != nil {
		return err
	}
	c.report.ServerVersion = &version
	if id := c.report.Snapshot.SystemIdentifier; id != nil && *c.report.Snapshot.Kind != kindLogical && *id != systemID {
		c.report.problem(fmt.Errorf("the cluster's system identifier is %s, the snapshot's manifest says %s", systemID, *id))
	}
	if c.options.Level == options.LevelStart {
		return nil
	}
	if len(closed) > 0 {
		c.report.warn("these databases accept no connections, and were not looked into: " + strings.Join(closed, ", "))
	}
	chosen, err := c.choose(all)
	if err != nil {
		return err
	}
	if other, err := c.server.otherCollations(ctx); err != nil {
		return err
	} else if other != "" {
		c.report.warn(other)
	}
	if err := c.read(ctx, w, chosen); err != nil || c.options.Level != options.LevelAmcheck {
		return err
	}
	return c.amcheck(ctx, chosen)
}

// choose picks the databases to look into.
func (c *check) choose(all []string) ([]string, error) {
	if len(c.options.Databases) == 0 {
		return all, nil
	}
	var unknown []string
	for _, name := range c.options.Databases {
		if !slices.Contains(all, name) {
			unknown = append(unknown, fmt.Sprintf("%q", name))
		}
	}
	if len(unknown) > 0 {
		return nil, fmt.Errorf("option \"databases\": the snapshot has no database %s that accepts connections", strings.Join(unknown, ", "))
	}
	return c.options.Databases, nil
}

// read reads the databases, several at the same time. What is wrong with one is a problem,
// and the others are read.
func (c *check) read(ctx context.Context, w way, databases []string) error {
	began := time.Now()
	defer func() { c.report.step("read", began) }()
	defer c.say()()
	var group errgroup.Group
	group.SetLimit(c.options.Jobs)
	for _, name := range databases {
		group.Go(func() error {
			slog.Info(fmt.Sprintf("reading database %q", plain(name)))
			c.report.problem(c.server.checkExtensions(ctx, name))
			found, d, err := c.readDatabase(ctx, name)
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			c.report.problem(err)
			c.report.problem(w.compare(ctx, name, found, &d))
			c.report.add(d)
			return nil
		})
	}
	return group.Wait()
}

// amcheck looks into the tables and indexes of the databases.
func (c *check) amcheck(ctx context.Context, databases []string) error {
	began := time.Now()
	defer func() { c.report.step("amcheck", began) }()
	for _, name := range databases {
		slog.Info(fmt.Sprintf("running pg_amcheck on database %q", plain(name)))
		err := c.server.amcheck(ctx, name, c.options.Jobs)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		c.report.problem(err)
	}
	return nil
}

// say prints now and then how far it is, until what it returns is called.
func (c *check) say() (stop func()) {
	stopped := make(chan struct{})
	go func() {
		tick := time.NewTicker(progressInterval)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				slog.Info(fmt.Sprintf("read so far: %s rows, %s", humanize.Comma(c.progress.rows.Load()), humanize.IBytes(uint64(c.progress.bytes.Load())))) // #nosec G115 -- not negative
			case <-stopped:
				return
			}
		}
	}()
	return func() { close(stopped) }
}

// estimates puts what the manifest says beside the tables of a database.
func estimates(document *manifest.Document, d *Database) {
	if document == nil {
		return
	}
	known := make(map[relation]*int64)
	for _, other := range document.Databases {
		if other.Name != d.Name {
			continue
		}
		for _, r := range other.Relations {
			estimate := r.RowEstimate
			if estimate == nil {
				estimate = r.LiveRowEstimate
			}
			known[relation{r.Schema, r.Name}] = estimate
		}
	}
	for n := range d.Tables {
		d.Tables[n].Estimate = known[relation{d.Tables[n].Schema, d.Tables[n].Name}]
	}
}

// superusers are the roles that may connect as such.
func superusers(document *manifest.Document) (roles, databases []string) {
	if document == nil {
		return nil, nil
	}
	for _, r := range document.Roles {
		if r.Superuser && r.CanLogin {
			roles = append(roles, r.Name)
		}
	}
	for _, d := range document.Databases {
		if d.AllowConn == nil || *d.AllowConn {
			databases = append(databases, d.Name)
		}
	}
	return roles, databases
}
