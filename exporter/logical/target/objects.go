package target

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/PlakarKorp/integration-postgresql/exporter/logical/server"
	"github.com/PlakarKorp/integration-postgresql/internal/dumparchive"
	"github.com/PlakarKorp/integration-postgresql/internal/dumparchive/selection"
)

// Objects are what a database has, by the names that the archive of a dump gives them, in
// UTF-8.
type Objects struct {
	has map[selection.Object]selection.Object // with the names in the bytes of the server
}

// NewDatabase returns what a database has that was created from template0.
func NewDatabase() *Objects {
	o := &Objects{has: map[selection.Object]selection.Object{}}
	for _, object := range []selection.Object{
		{Kind: "SCHEMA", Name: "public"}, {Kind: "SCHEMA", Name: "pg_catalog"}, {Kind: "SCHEMA", Name: "information_schema"},
		{Kind: "EXTENSION", Name: "plpgsql"}, {Kind: "PROCEDURAL LANGUAGE", Name: "plpgsql"},
	} {
		o.has[object] = object
	}
	return o
}

// relationKind stands for the kinds of entries that share their names: a table cannot have
// the name of a view. typeKind does for types, routineKind for functions.
const (
	relationKind = "relation"
	typeKind     = "type"
	routineKind  = "routine"
)

// Has reports whether the database has the object.
func (o *Objects) Has(object selection.Object) bool {
	_, ok := o.has[keyOf(object)]
	return ok
}

// keyOf is the object as it is entered.
func keyOf(object selection.Object) selection.Object {
	switch object.Kind {
	case "TABLE", "VIEW", "MATERIALIZED VIEW", "SEQUENCE", "FOREIGN TABLE", "INDEX":
		object.Kind = relationKind
	case "TYPE", "DOMAIN", "SHELL TYPE":
		object.Kind = typeKind
	case "FUNCTION", "PROCEDURE", "AGGREGATE":
		object.Kind = routineKind
	}
	return object
}

// ReadObjects asks a database for what it has, to compare with archives that InUTF8 returned.
func ReadObjects(ctx context.Context, s *server.Server, database string, archives []*dumparchive.TOC) (*Objects, error) {
	o := &Objects{has: map[selection.Object]selection.Object{}}
	err := s.With(ctx, database, func(conn *pgx.Conn) error {
		if _, err := conn.Exec(ctx, "SELECT pg_catalog.set_config('search_path', '', false)"); err != nil {
			return err
		}
		rows, _ := conn.Query(ctx, listObjects)
		found, err := pgx.CollectRows(rows, pgx.RowToStructByPos[selection.Object])
		if err != nil {
			return err
		}
		names, err := namesInUTF8(ctx, conn, found, encodingOf(archives))
		if err != nil {
			return err
		}
		for _, object := range found {
			o.has[selection.Object{Kind: object.Kind, Schema: names(object.Schema), Name: names(object.Name)}] = object
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("looking for what the database has: %w", err)
	}
	return o, nil
}

// listObjects lists what entries of an archive may define, but for what belongs to a
// relation. A tag of an operator has no types.
// Source: the functions dump... in src/bin/pg_dump/pg_dump.c, for the tags
const listObjects = `
	SELECT kind, schema::text, name::text FROM (
		SELECT 'relation' AS kind, relnamespace AS namespace, relname::text AS name FROM pg_catalog.pg_class
		UNION ALL SELECT 'type', typnamespace, typname::text FROM pg_catalog.pg_type
		UNION ALL SELECT 'routine', pronamespace, proname::text || '(' ||
			CASE WHEN prokind = 'a' AND pronargs = 0 THEN '*' ELSE pg_catalog.oidvectortypes(proargtypes) END || ')' FROM pg_catalog.pg_proc
		UNION ALL SELECT 'OPERATOR', oprnamespace, oprname::text FROM pg_catalog.pg_operator
		UNION ALL SELECT 'OPERATOR CLASS', opcnamespace, opcname::text FROM pg_catalog.pg_opclass
		UNION ALL SELECT 'OPERATOR FAMILY', opfnamespace, opfname::text FROM pg_catalog.pg_opfamily
		UNION ALL SELECT 'COLLATION', collnamespace, collname::text FROM pg_catalog.pg_collation
		UNION ALL SELECT 'CONVERSION', connamespace, conname::text FROM pg_catalog.pg_conversion
		UNION ALL SELECT 'TEXT SEARCH CONFIGURATION', cfgnamespace, cfgname::text FROM pg_catalog.pg_ts_config
		UNION ALL SELECT 'TEXT SEARCH DICTIONARY', dictnamespace, dictname::text FROM pg_catalog.pg_ts_dict
		UNION ALL SELECT 'TEXT SEARCH PARSER', prsnamespace, prsname::text FROM pg_catalog.pg_ts_parser
		UNION ALL SELECT 'TEXT SEARCH TEMPLATE', tmplnamespace, tmplname::text FROM pg_catalog.pg_ts_template
	) o JOIN (SELECT oid, nspname AS schema FROM pg_catalog.pg_namespace WHERE nspname <> 'pg_catalog' AND nspname !~ '^pg_toast') n ON n.oid = namespace
	UNION ALL SELECT 'SCHEMA', '', nspname::text FROM pg_catalog.pg_namespace
	UNION ALL SELECT 'EXTENSION', '', extname::text FROM pg_catalog.pg_extension
	UNION ALL SELECT 'PROCEDURAL LANGUAGE', '', lanname::text FROM pg_catalog.pg_language
	UNION ALL SELECT 'ACCESS METHOD', '', amname::text FROM pg_catalog.pg_am
	UNION ALL SELECT 'FOREIGN DATA WRAPPER', '', fdwname::text FROM pg_catalog.pg_foreign_data_wrapper
	UNION ALL SELECT 'SERVER', '', srvname::text FROM pg_catalog.pg_foreign_server
	UNION ALL SELECT 'EVENT TRIGGER', '', evtname::text FROM pg_catalog.pg_event_trigger
	UNION ALL SELECT 'PUBLICATION', '', pubname::text FROM pg_catalog.pg_publication
	UNION ALL SELECT 'CAST', '', 'CAST (' || pg_catalog.format_type(castsource, NULL) || ' AS ' || pg_catalog.format_type(casttarget, NULL) || ')' FROM pg_catalog.pg_cast
	UNION ALL SELECT 'TRANSFORM', '', 'TRANSFORM FOR ' || pg_catalog.format_type(trftype, NULL) || ' LANGUAGE ' || lanname
		FROM pg_catalog.pg_transform JOIN pg_catalog.pg_language l ON l.oid = trflang`
