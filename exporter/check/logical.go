package check

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/PlakarKorp/integration-postgresql/exporter/logical"
	"github.com/PlakarKorp/integration-postgresql/internal/options"
	"github.com/PlakarKorp/integration-postgresql/internal/pgtools"
	"github.com/PlakarKorp/integration-postgresql/internal/pgversion"
	"github.com/PlakarKorp/integration-postgresql/internal/plugin"
	"github.com/PlakarKorp/integration-postgresql/internal/proc"
	"github.com/PlakarKorp/integration-postgresql/internal/recordname"
	"github.com/PlakarKorp/integration-postgresql/manifest"
)

// superuser is the first role of a cluster that is made for a logical snapshot.
const superuser = "postgres"

// maxScript is how long the globals or the description of a cluster may be, in bytes.
const maxScript = 64 << 20

// logicalWay restores dumps into a cluster that initdb makes.
type logicalWay struct {
	*check
	target   plugin.Target
	began    time.Time
	expected map[string]*contents // by database
}

// newLogicalWay makes a cluster for the snapshot, starts it, and opens our own restore into it.
func newLogicalWay(ctx context.Context, c *check, first *record) (way, error) {
	cluster := new(manifest.Cluster)
	if first.Pathname == recordname.Cluster && first.content != nil {
		text, err := io.ReadAll(io.LimitReader(first.content, maxScript+1))
		if err != nil {
			return nil, err
		}
		first.content = bytes.NewReader(text)
		if cluster, err = manifest.ReadCluster(bytes.NewReader(text)); err != nil {
			return nil, err
		}
	} else {
		c.report.warn("the snapshot was made before there was 00000-cluster.json: it was restored into a cluster with the encoding UTF8")
	}
	major := firstMajor
	if num := cluster.ServerVersionNum; num != nil {
		major = pgversion.MajorOfNum(*num)
	}
	tools, err := findServer(ctx, c.options, major, true)
	if err != nil {
		return nil, err
	}
	if tools.Major != major && cluster.ServerVersionNum != nil {
		c.report.warn(fmt.Sprintf("the snapshot is of PostgreSQL %d, whose server is not installed here: it was restored into version %d", major, tools.Major))
	}
	s, err := c.make()
	if err != nil {
		return nil, err
	}
	c.server = &server{scratch: s, tools: tools}
	c.sayRoom(cluster)
	l := &logicalWay{check: c, expected: make(map[string]*contents)}
	began := time.Now()
	err = l.serve(ctx, cluster)
	c.report.step("start", began)
	if err != nil {
		return nil, fmt.Errorf("making a cluster for the snapshot: %w", err)
	}
	l.began = time.Now()
	slog.Info(fmt.Sprintf("restoring into %s, PostgreSQL %s", s.dir, tools.Version))
	if l.target, err = logical.New("postgres", l.settings(), environment()); err != nil {
		return nil, err
	}
	return l, nil
}

// sayRoom says how much room the databases took, bloat included.
func (c *check) sayRoom(cluster *manifest.Cluster) {
	var size uint64
	for _, d := range cluster.Databases {
		if d.SizeBytes != nil && *d.SizeBytes > 0 {
			size += uint64(*d.SizeBytes)
		}
	}
	if free, err := c.server.room(); err == nil && size > 0 {
		text := fmt.Sprintf("the databases took %s on their server, %s has %s free", humanize.IBytes(size), c.server.parent, humanize.IBytes(free))
		slog.Info(text)
		if free < size {
			c.report.warn(text)
		}
	}
}

// serve makes the cluster and starts it.
func (l *logicalWay) serve(ctx context.Context, cluster *manifest.Cluster) error {
	s := l.server
	if err := s.prepareFiles(); err != nil {
		return err
	}
	if err := proc.Run(ctx, s.command(pgtools.Initdb, initdbArgs(s.path(dataName), s.tools.Major, cluster)...)); err != nil {
		return err
	}
	all := append(settingsOf(s.scratch, s.path(configName), l.options.Jobs, limits{preparedTransactions: 0}),
		setting{name: "wal_level", value: "minimal"},
		setting{name: "max_wal_size", value: "4GB"},
		// A tablespace must not get to where the original's is.
		setting{name: "allow_in_place_tablespaces", value: "on"},
	)
	if err := s.start(ctx, all); err != nil {
		return err
	}
	return s.dial(ctx, []string{superuser}, nil)
}

// initdbArgs are those for a cluster whose template1 is as it was: encoding, and locale
// with its provider. Each other database is made with its own.
func initdbArgs(data string, major int, cluster *manifest.Cluster) []string {
	args := []string{
		"--pgdata=" + data, "--username=" + superuser, "--auth=trust", "--no-sync", "--lc-messages=C",
	}
	var info manifest.DatabaseInfo
	for _, d := range cluster.Databases {
		if d.Name == "template1" || d.Name == "postgres" && info.Name != "template1" || info.Name == "" {
			info = d.DatabaseInfo
		}
	}
	if info.Encoding == nil || info.Collate == nil || info.Ctype == nil {
		return append(args, "--encoding=UTF8", "--locale=C")
	}
	args = append(args, "--encoding="+*info.Encoding, "--lc-collate="+*info.Collate, "--lc-ctype="+*info.Ctype)
	const withProviders = 15
	if info.LocaleProvider == nil || info.Locale == nil || major < withProviders {
		return args
	}
	args = append(args, "--locale-provider="+*info.LocaleProvider)
	switch *info.LocaleProvider {
	case "icu":
		args = append(args, "--icu-locale="+*info.Locale)
	case "builtin":
		args = append(args, "--builtin-locale="+*info.Locale)
	}
	return args
}

// settings are those of our own restore.
func (l *logicalWay) settings() map[string]string {
	all := map[string]string{
		"location": l.server.sessionLocation(), "host": l.server.path(socketName), "port": port, "username": superuser, "ssl_mode": "disable",
		"pg_bin_dir": l.server.tools.Dir, "jobs": strconv.Itoa(l.options.Jobs), "spool_dir": l.server.dir,
	}
	if len(l.options.Databases) > 0 {
		all["databases"], all["globals"] = quotedList(l.options.Databases), options.GlobalsAll
	}
	return all
}

// quotedList is a list of names as an option has it.
func quotedList(names []string) string {
	quoted := make([]string, 0, len(names))
	for _, name := range names {
		quoted = append(quoted, `"`+strings.ReplaceAll(name, `"`, `""`)+`"`)
	}
	return strings.Join(quoted, ",")
}

// tablespaceLocation matches what pg_dumpall writes, up to the location.
// Source: dumpTablespaces in src/bin/pg_dump/pg_dumpall.c
var tablespaceLocation = regexp.MustCompile(`(CREATE TABLESPACE (?:"(?:[^"]|"")*"|[^"\s]+) OWNER (?:"(?:[^"]|"")*"|[^"\s]+) LOCATION )E?'(?:[^']|'')*'`)

func (l *logicalWay) restore(ctx context.Context, r *record) error {
	database, isDump := recordname.Database(r.Pathname)
	part, isPart := recordname.ParsePart(r.Pathname)
	if !isDump && isPart {
		database = part.Database
	}
	switch {
	case r.content == nil:
	case r.Pathname == recordname.Globals:
		script, err := io.ReadAll(io.LimitReader(r.content, maxScript+1))
		if err != nil {
			return err
		}
		r.content = bytes.NewReader(tablespaceLocation.ReplaceAll(script, []byte("${1}''")))
	case database != "":
		return l.restoreDump(ctx, r, database, relation{part.Schema, part.Table})
	}
	return l.target.Restore(ctx, r.Record, r.content, r.ack)
}

// restoreDump restores a dump, or a part of one, and notes what is in it. of is the table whose rows the part has.
func (l *logicalWay) restoreDump(ctx context.Context, r *record, database string, of relation) error {
	reader, writer := io.Pipe()
	type result struct {
		found *content
		err   error
	}
	done := make(chan result, 1)
	go func() {
		found, err := readArchive(reader, new(progress))
		_, _ = io.Copy(io.Discard, reader) // what writes must not wait
		done <- result{found, err}
	}()
	size := &countingReader{r: r.content}
	tee := io.TeeReader(size, writer)
	err := l.target.Restore(ctx, r.Record, tee, r.ack)
	if err == nil {
		_, err = io.Copy(io.Discard, tee)
	}
	_ = writer.Close()
	read := <-done
	switch {
	case err != nil || size.n == 0: // a database that was dropped during the backup
		return err
	case read.err != nil:
		l.report.problem(fmt.Errorf("%s is damaged: %w", r.Pathname, read.err))
	case !read.found.mayHold(of):
		l.report.problem(fmt.Errorf("%s does not hold the rows of %s: it is the part of another table", r.Pathname, of))
		fallthrough
	default:
		l.expect(database, read.found)
	}
	return nil
}

// countingReader counts what is read.
type countingReader struct {
	r io.Reader
	n int64
}

// Read implements io.Reader.
func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

func (l *logicalWay) finish(ctx context.Context) (*check, error) {
	err := l.target.Finish(ctx)
	if ctx.Err() != nil {
		return nil, errors.Join(context.Cause(ctx), l.target.Close(ctx))
	}
	l.report.problem(err)
	// A restore takes a directory of dumps without it as well; nothing proves that it is whole.
	if l.report.document == nil && err == nil {
		l.report.problem(errors.New("the snapshot's manifest.json did not arrive, which tells what belongs to the snapshot"))
	}
	l.report.step("restore", l.began)
	return l.check, l.target.Close(ctx)
}

func (l *logicalWay) abort() {
	l.target.Abort()
	_ = l.target.Close(context.Background())
}
