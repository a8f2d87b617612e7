package target

import (
	"context"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/PlakarKorp/integration-postgresql/exporter/logical/server"
	"github.com/PlakarKorp/integration-postgresql/internal/conninfo"
	"github.com/PlakarKorp/integration-postgresql/internal/dumparchive"
	"github.com/PlakarKorp/integration-postgresql/internal/dumparchive/selection"
	"github.com/PlakarKorp/integration-postgresql/internal/sqlscript"
)

// OfOptions is the encoding of options and of 00000-cluster.json.
const OfOptions = "UTF8"

// Encoding returns the encoding of an archive, which is that of the database it was made of;
// "" if that is not known.
func Encoding(toc *dumparchive.TOC) string {
	e := toc.Find(dumparchive.Encoding)
	if e == nil {
		return ""
	}
	script, err := sqlscript.Parse(e.Defn)
	if err != nil || !conninfo.Convertible(script.Encoding) {
		return ""
	}
	return script.Encoding
}

// encodingOf is the encoding of all archives of one dump.
func encodingOf(archives []*dumparchive.TOC) string {
	for _, toc := range archives {
		if encoding := Encoding(toc); encoding != "" {
			return encoding
		}
	}
	return ""
}

// InUTF8 returns tables of contents with the names of objects in UTF-8, as options and
// 00000-cluster.json have them: that is, tags, schemas and the SQL that defines. They are
// for a look: pg_restore cannot read them.
func InUTF8(ctx context.Context, s *server.Server, archives []*dumparchive.TOC) ([]*dumparchive.TOC, error) {
	encoding := encodingOf(archives)
	if encoding == "" || encoding == OfOptions {
		return archives, nil
	}
	var texts []string
	for _, toc := range archives {
		for n := range toc.Entries {
			for _, text := range textsOf(&toc.Entries[n]) {
				if !isASCII(*text) {
					texts = append(texts, *text)
				}
			}
		}
	}
	if len(texts) == 0 {
		return archives, nil
	}
	var converted map[string]string
	err := s.With(ctx, "", func(conn *pgx.Conn) (err error) {
		converted, err = conninfo.Convert(ctx, conn, texts, encoding, OfOptions)
		return err
	})
	if err != nil {
		return nil, err
	}
	copies := make([]*dumparchive.TOC, len(archives))
	for i, toc := range archives {
		c := *toc
		c.Entries = slices.Clone(toc.Entries)
		for n := range c.Entries {
			for _, text := range textsOf(&c.Entries[n]) {
				if other, ok := converted[*text]; ok {
					*text = other
				}
			}
		}
		copies[i] = &c
	}
	return copies, nil
}

func textsOf(e *dumparchive.Entry) []*string { return []*string{&e.Namespace, &e.Tag, &e.Defn} }

// namesInUTF8 returns what names of a database are in UTF-8. Those of one in SQL_ASCII are
// in the encoding of what is restored into it. Where that is not known, all stay as they are.
func namesInUTF8(ctx context.Context, conn *pgx.Conn, objects []selection.Object, archive string) (func(string) string, error) {
	encoding := conn.PgConn().ParameterStatus("server_encoding")
	if archive == "" {
		encoding = ""
	} else if !conninfo.Convertible(encoding) {
		encoding = archive
	}
	texts := make([]string, 0, 2*len(objects))
	for _, o := range objects {
		texts = append(texts, o.Schema, o.Name)
	}
	converted, err := conninfo.Convert(ctx, conn, texts, encoding, OfOptions)
	return func(name string) string {
		if other, ok := converted[name]; ok {
			return other
		}
		return name
	}, err
}

// Encode returns names that options have, in the encoding of an archive.
func Encode(ctx context.Context, s *server.Server, names []string, archive *dumparchive.TOC) ([]string, error) {
	if !slices.ContainsFunc(names, func(name string) bool { return !isASCII(name) }) {
		return names, nil
	}
	encoded := slices.Clone(names)
	err := s.With(ctx, "", func(conn *pgx.Conn) error {
		converted, err := conninfo.Convert(ctx, conn, names, OfOptions, Encoding(archive))
		for n, name := range names {
			if other, ok := converted[name]; ok {
				encoded[n] = other
			}
		}
		return err
	})
	return encoded, err
}
