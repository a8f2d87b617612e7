package manifest

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

// Connector opens a connection to a database of the server being backed up.
// Passwords, TLS and the application name are its business. Its errors end up
// in the document: they must not hold secrets.
type Connector interface {
	Connect(ctx context.Context, database string) (*pgx.Conn, error)
}

// Header is what the importer knows already and the manifest only records. See
// [Document] for the meaning of the fields.
type Header struct {
	CreatedAt time.Time
	Connector string
	Host      string
	Port      int
	// Database is the one selected, "" for all.
	Database   string
	DumpFormat string
	Base       *Base // nil for none
	WAL        *WAL  // nil for none
	// One of them, the other is "".
	PgDumpVersion, PgBasebackupVersion string
	// What is known of the server by other ways than SQL, for a role that may not
	// use it; "" for nothing.
	ServerVersion, SystemIdentifier string
	Options                         map[string]any
	Files                           []File
	// Warnings are those known before the collection.
	Warnings []string
}

// Request says what to collect.
type Request struct {
	Header
	// Maintenance is the database that the server-wide queries run in. When it
	// refuses the connection, the first of Databases are tried.
	Maintenance string
	// Databases are those to look into. The others have an entry only, and
	// when a single one is selected not even that.
	Databases []string
	// LastWarnings, if not nil, returns warnings about the backup that are known only
	// when everything else has been collected.
	LastWarnings func(context.Context) []string
	// Jobs is how many databases are collected at the same time, at least one.
	Jobs int
}

// Write collects the document from the server and streams it to w, one database
// after the other in name order, the next ones being collected ahead into
// bounded buffers.
//
// It fails only when w fails or ctx ends, whatever else goes wrong is recorded in
// the document's warnings. It cannot interrupt a write to w that hangs. When it
// returns, all its sessions are closed.
func Write(ctx context.Context, w io.Writer, c Connector, r Request) error {
	if err := write(ctx, w, c, r); err != nil {
		return fmt.Errorf("writing the manifest: %w", err)
	}
	return nil
}

func write(ctx context.Context, w io.Writer, c Connector, r Request) error {
	found := collectServer(ctx, c, r)
	found.complete(r.Header)
	if err := ctx.Err(); err != nil {
		return err
	}
	p := printer{out: bufio.NewWriterSize(w, chunkSize)}
	known := warnings{scope: "backup"}
	for _, text := range r.Warnings {
		known.note("", "%s", text)
	}
	p.header(r.Header, found, &known)

	databases := entries(found.databases, r.Databases)
	all := append(known.list, found.warnings.list...)
	if err := writeDatabases(ctx, &p, c, databases, max(r.Jobs, 1)); err != nil {
		return err
	}
	for _, d := range databases {
		all = append(all, d.warnings.list...)
	}
	if r.LastWarnings != nil {
		last := warnings{scope: "backup"}
		for _, text := range r.LastWarnings(ctx) {
			last.note("", "%s", text)
		}
		all = append(all, last.list...)
	}
	p.footer(all)
	return p.out.Flush()
}

// writeDatabases has the databases collected and prints them in order.
func writeDatabases(ctx context.Context, p *printer, c Connector, databases []*database, jobs int) error {
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()
	running.Go(func() { collectAll(ctx, c, databases, jobs) })

	p.databasesBegin()
	for i, d := range databases {
		p.databaseBegin(i, d.info)
		err := d.out.drain(ctx, func(chunk []byte) error {
			_, err := p.out.Write(chunk)
			return err
		})
		if err != nil {
			return err
		}
		p.databaseEnd()
	}
	p.databasesEnd(len(databases))
	return nil
}

// collectAll starts the collections in order, at most jobs at the same time, and
// returns when the last has ended. The one that is printed next is always
// running, so those ahead of it may wait with full buffers.
func collectAll(ctx context.Context, c Connector, databases []*database, jobs int) {
	var running sync.WaitGroup
	defer running.Wait()
	slots := make(chan struct{}, jobs)
	for _, d := range databases {
		if !d.included {
			_ = d.emit(ctx, nullLists)
			d.out.close()
			continue
		}
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
			return
		}
		running.Go(func() {
			defer func() { <-slots }()
			d.collect(ctx, c)
		})
	}
}

// entries joins what the server lists with what was asked for, in name order. A
// database that the server did not list is looked into all the same.
func entries(rows []databaseRow, included []string) []*database {
	byName := map[string]*database{}
	add := func(row databaseRow) {
		byName[row.name] = &database{
			databaseRow: row,
			out:         newStream(),
			warnings:    warnings{scope: "database " + row.info.Name},
		}
	}
	for _, row := range rows {
		add(row)
	}
	for _, name := range included {
		if byName[name] == nil {
			add(databaseRow{name: name, info: DatabaseInfo{Name: string(validUTF8([]byte(name)))}})
		}
		byName[name].included = true
	}
	sorted := make([]*database, 0, len(byName))
	for _, d := range byName {
		sorted = append(sorted, d)
	}
	slices.SortFunc(sorted, func(a, b *database) int { return strings.Compare(a.name, b.name) })
	return sorted
}
