package manifest

import (
	"context"
	"strconv"

	"github.com/jackc/pgerrcode"
)

// Relations are fetched in batches, so that a slow reader of the document is
// waited for between two statements and not during one.
const batchSize = 200

// database is an entry of the databases list on its way into the document.
type database struct {
	databaseRow
	// included is false for a database that is listed only.
	included bool
	out      *stream
	warnings warnings
}

// collect fills out, and closes it in any case. Its result is the text of the
// lists that follow the entry's other fields.
func (d *database) collect(ctx context.Context, c Connector) {
	defer d.out.close()
	s, err := openSession(ctx, c, d.name)
	if err != nil {
		d.warnings.add("connecting", err)
		_ = d.emit(ctx, nullLists)
		return
	}
	defer s.close()

	extensions, err := list[Extension](ctx, s, "extensions")
	if err != nil {
		d.warnings.add("reading extensions", err)
	}
	schemas, err := list[SchemaObject](ctx, s, "schemas")
	if err != nil {
		d.warnings.add("reading schemas", err)
	}
	head := append(entryList("extensions", extensions), entryList("schemas", schemas)...)
	if d.out.write(ctx, head, []byte(relationsKey)) != nil {
		return
	}
	if d.relations(ctx, s) == nil {
		_ = d.out.flush(ctx)
	}
}

func (d *database) emit(ctx context.Context, text string) error {
	if err := d.out.write(ctx, []byte(text)); err != nil {
		return err
	}
	return d.out.flush(ctx)
}

// relations writes the value of the relations list. It fails only when ctx
// ended.
func (d *database) relations(ctx context.Context, s *session) error {
	r := relationReader{session: s, out: d.out, details: true}
	err := r.read(ctx)
	if err != nil && ctx.Err() == nil {
		d.warnings.add("reading relations", err)
		if canRetryWithoutDetails(err) {
			r.details = false
			if err = r.read(ctx); err != nil {
				d.warnings.add("reading relations without details", err)
			}
		}
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if r.withoutSize > 0 {
		d.warnings.note(pgerrcode.LockNotAvailable, "size, defaults and index definitions of %d relations not read, locked by other sessions: %s.%s%s",
			r.withoutSize, r.firstWithoutSize[0], r.firstWithoutSize[1], more(r.withoutSize))
	}
	switch {
	case err == nil:
		return r.end(ctx)
	case r.count == 0:
		return d.out.write(ctx, []byte("null"))
	default:
		d.warnings.note("", "the list of relations is incomplete, it ends with %s.%s", r.last[0], r.last[1])
		return r.end(ctx)
	}
}

func more(n int) string {
	if n > 1 {
		return ", ..."
	}
	return ""
}

// relationReader copies relations from the server to a stream. A read that
// failed can be taken up again where it ended.
type relationReader struct {
	session *session
	out     *stream
	// details asks for what needs locks.
	details bool

	count            int
	last             [2]string // schema and name of the last one written
	withoutSize      int
	firstWithoutSize [2]string
}

// read copies the relations after the last one. The rows come through a cursor,
// in a transaction that a failure ends.
func (r *relationReader) read(ctx context.Context) error {
	if err := r.session.run(ctx, "BEGIN READ ONLY"); err != nil {
		return err
	}
	err := r.fetch(ctx)
	// After a lost connection this fails as well, and says nothing new.
	_ = r.session.run(ctx, "ROLLBACK")
	return err
}

func (r *relationReader) fetch(ctx context.Context) error {
	declare := "DECLARE relations NO SCROLL CURSOR FOR " + query("relations", r.session.major)
	if err := r.session.run(ctx, declare, strconv.FormatBool(r.details), r.last[0], r.last[1]); err != nil {
		return err
	}
	next := "FETCH " + strconv.Itoa(batchSize) + " FROM relations"
	for {
		before := r.count
		err := r.session.each(ctx, next, func(row [][]byte) error { return r.write(ctx, row) })
		if err != nil {
			return err
		}
		if r.count-before < batchSize {
			return nil
		}
	}
}

func (r *relationReader) write(ctx context.Context, row [][]byte) error {
	name := [2]string{string(row[0]), string(row[1])}
	if string(row[2]) == "t" {
		if r.withoutSize == 0 {
			r.firstWithoutSize = name
		}
		r.withoutSize++
	}
	before := listNext
	if r.count == 0 {
		before = listBegin
	}
	if err := r.out.write(ctx, []byte(before), validUTF8(row[3])); err != nil {
		return err
	}
	r.count++
	r.last = name
	return nil
}

func (r *relationReader) end(ctx context.Context) error {
	if r.count == 0 {
		return r.out.write(ctx, []byte("[]"))
	}
	return r.out.write(ctx, []byte(listEnd))
}
