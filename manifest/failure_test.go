package manifest_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/PlakarKorp/integration-postgresql/manifest"
)

// A role that may do next to nothing still gets a document, and every gap in it a
// warning.
func TestUnprivilegedRole(t *testing.T) {
	s := start(t)
	s.database(t, "open", "")
	s.database(t, "closed", "")
	s.Exec(t, "open", "CREATE TABLE t (a int DEFAULT 1); REVOKE ALL ON t FROM PUBLIC")
	s.Exec(t, "postgres", `CREATE ROLE nobody LOGIN;
		REVOKE CONNECT ON DATABASE closed FROM PUBLIC;
		REVOKE CONNECT ON DATABASE postgres FROM PUBLIC`)
	t.Cleanup(func() {
		s.Exec(t, "postgres", "GRANT CONNECT ON DATABASE postgres TO PUBLIC; DROP ROLE nobody")
	})
	doc, _ := collect(t, connector{s, "nobody"}, request("closed", "gone", "open"))

	warned(t, doc, "server", "42501", "connecting to database postgres")
	warned(t, doc, "server", "42501", "data_directory")
	warned(t, doc, "server", "42501", "size of database closed")
	warned(t, doc, "database closed", "42501", "connecting")
	warned(t, doc, "database gone", "3D000", "connecting")
	if c := doc.ClusterConfig; c.DataDirectory != nil || value(c.MaxConnections) != 40 {
		t.Errorf("cluster_config: %s", asJSON(c))
	}
	if closed := database(t, doc, "closed"); closed.Relations != nil || closed.SizeBytes != nil || value(closed.Owner) != "postgres" {
		t.Errorf("closed: %s", asJSON(closed))
	}
	if gone := database(t, doc, "gone"); gone.Relations != nil || gone.Owner != nil {
		t.Errorf("gone: %s", asJSON(gone))
	}
	open := database(t, doc, "open")
	if tab := relation(t, open, "public", "t"); tab.SizeBytes == nil || value(tab.Columns[0].Default) != "1" || value(open.SizeBytes) == 0 {
		t.Errorf("open: %s", asJSON(open))
	}
}

// Without any connection there is a document as well.
func TestNoServer(t *testing.T) {
	s := start(t)
	doc, _ := collect(t, connector{s, "no such role"}, request("a", "b"))
	warned(t, doc, "server", "28000", "connecting")
	warned(t, doc, "database b", "28000", "connecting")
	if len(doc.Databases) != 2 || doc.Roles != nil || doc.ServerVersionNum != nil {
		t.Errorf("document: %s", asJSON(doc))
	}
}

func TestFailingQueries(t *testing.T) {
	s := start(t)
	s.database(t, "broken", "")
	s.Exec(t, "broken", "CREATE TABLE t (); REVOKE SELECT ON pg_extension FROM PUBLIC; REVOKE SELECT ON pg_attrdef FROM PUBLIC")
	s.Exec(t, "postgres", `CREATE ROLE limited LOGIN;
		REVOKE SELECT ON pg_roles FROM PUBLIC;
		REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC`)
	t.Cleanup(func() {
		s.Exec(t, "postgres", `DROP ROLE limited; GRANT SELECT ON pg_roles TO PUBLIC;
			GRANT EXECUTE ON FUNCTION pg_control_system() TO PUBLIC`)
	})
	doc, _ := collect(t, connector{s, "limited"}, request("broken", "postgres"))
	warned(t, doc, "server", "42501", "reading the system identifier")
	warned(t, doc, "server", "42501", "reading roles")
	warned(t, doc, "database broken", "42501", "reading extensions")
	warned(t, doc, "database broken", "42501", "reading relations")
	d := database(t, doc, "broken")
	if d.Extensions != nil || d.Relations != nil || len(d.Schemas) != 1 || doc.Roles != nil || doc.ClusterSystemIdentifier != nil {
		t.Errorf("document: %s", asJSON(doc))
	}
	if database(t, doc, "postgres").Relations == nil {
		t.Error("the other database was lost")
	}
}

func TestLockedRelation(t *testing.T) {
	s := start(t)
	s.database(t, "locked", "")
	s.Exec(t, "locked", "CREATE TABLE a (x int DEFAULT 1 PRIMARY KEY); CREATE TABLE b (x int DEFAULT 2); CREATE TABLE c (x int); CREATE INDEX ci ON c (x)")
	conn := s.open(t, "locked")
	for _, sql := range []string{"BEGIN", "LOCK TABLE a", "REINDEX INDEX ci"} {
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	began := time.Now()
	doc, _ := collect(t, connector{s, "postgres"}, request("locked"))
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("it took %v", took)
	}
	_ = conn.Close(t.Context())
	warned(t, doc, "database locked", "55P03", "definitions of 2 relations not read, locked by other sessions: public.a, ...")
	d := database(t, doc, "locked")
	if a, b := relation(t, d, "public", "a"), relation(t, d, "public", "b"); a.SizeBytes != nil || a.ColumnCount != 1 ||
		a.Columns[0].Default != nil || len(a.Indexes) != 1 || a.Indexes[0].Definition != nil ||
		b.SizeBytes == nil || value(b.Columns[0].Default) != "2" {
		t.Errorf("relations: %s", asJSON(d.Relations))
	}
}

// A lock taken while the list is being read: it is resumed where it stopped.
func TestLockedMeanwhile(t *testing.T) {
	s := start(t)
	manyTables(t, s, "meanwhile", 3000)
	conn := s.open(t, "meanwhile")
	var out bytes.Buffer
	w := &onFirstWrite{Writer: &out, do: func() error {
		_, err := conn.Exec(t.Context(), "BEGIN; LOCK TABLE t999")
		return err
	}}
	if err := manifest.Write(t.Context(), w, connector{s, "postgres"}, request("meanwhile")); err != nil {
		t.Fatal(err)
	}
	_ = conn.Close(t.Context())
	validate(t, out.String())
	doc, err := manifest.Read(&out)
	if err != nil {
		t.Fatal(err)
	}
	warned(t, doc, "database meanwhile", "55P03", "reading relations")
	d := database(t, doc, "meanwhile")
	var names []string
	for _, r := range d.Relations {
		names = append(names, r.Name)
	}
	if len(names) != 3000 || !slices.IsSorted(names) || len(slices.Compact(names)) != 3000 {
		t.Errorf("%d relations, warnings %s", len(names), asJSON(doc.Warnings))
	}
	if d.Relations[0].SizeBytes == nil || relation(t, d, "public", "t999").SizeBytes != nil {
		t.Error("sizes should be there for the first and not for the last")
	}
}

func TestCancelled(t *testing.T) {
	s := start(t)
	manyTables(t, s, "cancelled", 3000)
	ctx, cancel := context.WithCancel(t.Context())
	var stopped time.Time
	w := &onFirstWrite{Writer: io.Discard, do: func() error { cancel(); stopped = time.Now(); return nil }}
	err := manifest.Write(ctx, w, connector{s, "postgres"}, request("cancelled", "postgres"))
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	if took := time.Since(stopped); took > 2*time.Second {
		t.Errorf("it took %v", took)
	}
	noSessions(t, s)
	if err := manifest.Write(ctx, io.Discard, connector{s, "postgres"}, request("postgres")); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled before: %v", err)
	}
}

func TestWriterFails(t *testing.T) {
	s := start(t)
	manyTables(t, s, "unwritten", 500)
	full := errors.New("disk full")
	w := &onFirstWrite{Writer: io.Discard, do: func() error { return full }}
	if err := manifest.Write(t.Context(), w, connector{s, "postgres"}, request("unwritten")); !errors.Is(err, full) {
		t.Errorf("error %v", err)
	}
	noSessions(t, s)
}

// Names in a database without encoding may be anything.
func TestInvalidUTF8(t *testing.T) {
	s := start(t)
	s.database(t, "ascii", "ENCODING 'SQL_ASCII' LOCALE 'C' TEMPLATE template0")
	conn := s.open(t, "ascii")
	for _, sql := range []string{
		"SET client_encoding = SQL_ASCII",
		"CREATE TABLE \"caf\xe9\" (\"stra\xdfe\" text DEFAULT '\xff\\\"\x01')",
		"CREATE TABLE zulu ()",
	} {
		if _, err := conn.PgConn().Exec(t.Context(), sql).ReadAll(); err != nil {
			t.Fatal(err)
		}
	}
	_ = conn.Close(t.Context())
	doc, text := collect(t, connector{s, "postgres"}, request("ascii"))
	if !utf8.ValidString(text) || len(doc.Warnings) != 0 {
		t.Errorf("valid: %v, warnings: %s", utf8.ValidString(text), asJSON(doc.Warnings))
	}
	d := database(t, doc, "ascii")
	relation(t, d, "public", "zulu")
	tab := relation(t, d, "public", "caf\uFFFD")
	if c := tab.Columns[0]; c.Name != "stra\uFFFDe" || !strings.HasPrefix(value(c.Default), "'\uFFFD\\\"\x01'") {
		t.Errorf("column: %s", asJSON(c))
	}
}

// Names in another encoding arrive converted.
func TestOtherEncoding(t *testing.T) {
	s := start(t)
	s.database(t, "latin", "ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
	s.Exec(t, "latin", "ALTER DATABASE latin SET client_encoding = 'UTF8'")
	s.Exec(t, "latin", `CREATE TABLE "café" (x text DEFAULT 'ß')`)
	doc, _ := collect(t, connector{s, "postgres"}, request("latin"))
	d := database(t, doc, "latin")
	if tab := relation(t, d, "public", "café"); value(tab.Columns[0].Default) != "'ß'::text" || value(d.Encoding) != "LATIN1" {
		t.Errorf("relation: %s", asJSON(tab))
	}
}

func manyTables(tb testing.TB, s *testServer, name string, n int) {
	tb.Helper()
	s.database(tb, name, "")
	const step = 1000 // each table takes a lock until its transaction ends
	for from := 1; from <= n; from += step {
		s.Exec(tb, name, fmt.Sprintf(`DO $$ BEGIN FOR i IN %d..%d LOOP
			EXECUTE format('CREATE TABLE t%%s (id bigint NOT NULL, name text, a int DEFAULT 0, b timestamptz DEFAULT now(), c numeric(10,2))', i);
			EXECUTE format('CREATE INDEX ON t%%s (id)', i); END LOOP; END $$`, from, min(from+step-1, n)))
	}
}
