package logical

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/PlakarKorp/integration-postgresql/internal/options"
	"github.com/PlakarKorp/integration-postgresql/internal/pgtools"
)

// selection is what the patterns of the options match in a database.
type selection struct {
	schemas, excludedSchemas map[uint32]bool
	tables, excludedTables   map[uint32]bool
	excludedRows             map[uint32]bool
	warnings                 []string
}

// completion is what is added to a selection, or said about it.
type completion struct {
	extensions []string
	tables     [][2]string // schema and name
	warnings   []string
}

// completeSelection finds what belongs to the part of a database that the options
// select, and what it needs. That is for completeness: when it fails, there is a
// warning, and pg_dump does or refuses what it was told.
func completeSelection(ctx context.Context, o *options.Import, encoded patterns, s *server, tools pgtools.Installation, database string) (completion, error) {
	if len(o.Schemas)+len(o.ExcludeSchemas)+len(o.Tables)+len(o.ExcludeTables)+len(o.ExcludeTableData) == 0 {
		return completion{}, nil
	}
	c, err := examineSelection(ctx, o, encoded, s, tools, database)
	if err != nil && ctx.Err() == nil {
		c.warnings = append(c.warnings, fmt.Sprintf("database %q: whether the selection is complete could not be found out: %v", database, err))
		err = nil
	}
	return c, err
}

func examineSelection(ctx context.Context, o *options.Import, encoded patterns, s *server, tools pgtools.Installation, database string) (completion, error) {
	// Patterns without a schema mean what they mean to pg_dump.
	conn, err := s.info.AsTool().Connect(ctx, database)
	if err != nil {
		return completion{}, err
	}
	defer closeConn(ctx, conn)
	sel, err := matchSelection(ctx, conn, o, encoded)
	c := completion{warnings: sel.warnings}
	if err != nil || o.DataOnly {
		return c, err
	}
	// Only pg_dump's patterns depend on the path. Names in messages are to be complete.
	if _, err := conn.Exec(ctx, "SET search_path = pg_catalog"); err != nil {
		return c, err
	}
	if c.tables, err = sel.addPartitions(ctx, conn); err != nil {
		return c, err
	}
	lost, err := sel.foreignKeysToExcluded(ctx, conn)
	c.warnings = append(c.warnings, lost...)
	if err != nil || len(o.Schemas)+len(o.ExcludeSchemas)+len(o.Tables)+len(o.ExcludeTables) == 0 {
		return c, err
	}
	g, err := readGraph(ctx, conn)
	if err != nil {
		return c, err
	}
	everything := len(o.Schemas)+len(o.Tables) == 0
	extensions, left := g.close(func(root object) bool { return sel.chooses(g, root, o) })
	if !everything {
		names, err := nameExtensions(ctx, conn, extensions)
		if err != nil {
			return c, err
		}
		if tools.Major >= pgtools.ExtensionsSince {
			c.extensions = names
		} else if len(names) > 0 {
			c.warnings = append(c.warnings, fmt.Sprintf("the chosen objects need the extensions %s, which pg_dump before version %d leaves out: a restore needs a database that has them",
				strings.Join(names, ", "), pgtools.ExtensionsSince))
		}
	}
	said, err := describeMissing(ctx, conn, left)
	c.warnings = append(c.warnings, said...)
	return c, err
}

// chooses reports whether pg_dump dumps the object.
// Source: selectDumpableTable and the like in src/bin/pg_dump/pg_dump.c
func (s *selection) chooses(g *graph, root object, o *options.Import) bool {
	if root.class == classRelation && s.excludedTables[root.oid] {
		return false
	}
	if len(o.Tables) > 0 {
		return root.class == classRelation && s.tables[root.oid]
	}
	schema, inSchema := g.namespace[root]
	if len(o.Schemas) > 0 {
		return inSchema && s.schemas[schema] && !s.excludedSchemas[schema]
	}
	return !s.excludedSchemas[schema]
}

// matchSelection matches the patterns, and warns of exclusions that match nothing,
// about which pg_dump is silent.
func matchSelection(ctx context.Context, conn *pgx.Conn, o *options.Import, encoded patterns) (*selection, error) {
	s := new(selection)
	for _, part := range []struct {
		option   string
		patterns []string
		query    string
		matched  *map[uint32]bool
		excludes bool
	}{
		{"schemas", o.Schemas, matchSchemas, &s.schemas, false},
		{"exclude_schemas", o.ExcludeSchemas, matchSchemas, &s.excludedSchemas, true},
		{"tables", o.Tables, matchTables, &s.tables, false},
		{"exclude_tables", o.ExcludeTables, matchTables, &s.excludedTables, true},
		{"exclude_table_data", o.ExcludeTableData, matchTables, &s.excludedRows, true},
	} {
		*part.matched = make(map[uint32]bool)
		for _, pattern := range part.patterns {
			schema, name := pgtools.PatternRegexps(encoded.of(pattern))
			rows, err := conn.Query(ctx, part.query, schema, name)
			if err != nil {
				return s, fmt.Errorf("option %q: pattern %q: %w", part.option, pattern, err)
			}
			found, err := pgx.CollectRows(rows, pgx.RowTo[uint32])
			if err != nil {
				return s, fmt.Errorf("option %q: pattern %q: %w", part.option, pattern, err)
			}
			for _, oid := range found {
				(*part.matched)[oid] = true
			}
			if len(found) == 0 && part.excludes {
				s.warnings = append(s.warnings, fmt.Sprintf("option %q: %q matches nothing", part.option, pattern))
			}
		}
	}
	return s, nil
}

// How pg_dump finds what a pattern matches.
// Source: expand_schema_name_patterns and expand_table_name_patterns in
// src/bin/pg_dump/pg_dump.c
const (
	matchSchemas = `
	SELECT n.oid FROM pg_catalog.pg_namespace n
	WHERE $1::text IS NOT NULL AND n.nspname::text COLLATE pg_catalog."default" OPERATOR(pg_catalog.~) $2::text`
	matchTables = `
	SELECT c.oid FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
	WHERE c.relkind OPERATOR(pg_catalog.=) ANY (ARRAY['r', 'S', 'v', 'm', 'f', 'p']::"char"[])
		AND CASE $1::text WHEN '' THEN pg_catalog.pg_table_is_visible(c.oid)
			ELSE n.nspname::text COLLATE pg_catalog."default" OPERATOR(pg_catalog.~) $1::text END
		AND c.relname::text COLLATE pg_catalog."default" OPERATOR(pg_catalog.~) $2::text`
)

// addPartitions chooses the partitions of the chosen tables: without them a partitioned
// table has no rows. It returns their names.
func (s *selection) addPartitions(ctx context.Context, conn *pgx.Conn) ([][2]string, error) {
	if len(s.tables) == 0 {
		return nil, nil
	}
	rows, err := conn.Query(ctx, `
		SELECT i.inhparent, c.oid, n.nspname::text, c.relname::text
		FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE c.relispartition AND c.relkind IN ('r', 'p', 'f') ORDER BY 3, 4`)
	if err != nil {
		return nil, fmt.Errorf("listing the partitions: %w", err)
	}
	type partition struct {
		Parent, OID  uint32
		Schema, Name string
	}
	all, err := pgx.CollectRows(rows, pgx.RowToStructByPos[partition])
	if err != nil {
		return nil, fmt.Errorf("listing the partitions: %w", err)
	}
	var names [][2]string
	for added := true; added; {
		added = false
		for _, p := range all {
			if s.tables[p.Parent] && !s.tables[p.OID] && !s.excludedTables[p.Parent] && !s.excludedTables[p.OID] {
				s.tables[p.OID], added = true, true
				names = append(names, [2]string{p.Schema, p.Name})
			}
		}
	}
	return names, nil
}

// foreignKeysToExcluded warns of foreign keys to tables whose rows are left out, of others, whose
// rows are not: no restore can make them. A partitioned table has none of its own, and of those of one
// partition a restore cannot know: it tries the key.
func (s *selection) foreignKeysToExcluded(ctx context.Context, conn *pgx.Conn) (warnings []string, err error) {
	if len(s.excludedRows) == 0 {
		return nil, nil
	}
	oids := func(matched map[uint32]bool) []uint32 { return slices.AppendSeq([]uint32{}, maps.Keys(matched)) }
	rows, _ := conn.Query(ctx, `
		SELECT DISTINCT k.conname::text || ' of ' || k.conrelid::regclass || ' (to ' || k.confrelid::regclass || ')'
		FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_class f ON f.oid = k.confrelid AND f.relkind = 'r' AND NOT f.relispartition
		WHERE k.contype = 'f' AND k.confrelid = ANY ($1::oid[]) AND NOT c.oid = ANY ($1 || $2::oid[]) AND NOT c.relnamespace = ANY ($3::oid[])
			AND ($4::oid[] = '{}' OR c.oid = ANY ($4)) AND ($5::oid[] = '{}' OR c.relnamespace = ANY ($5))
			AND NOT EXISTS (SELECT FROM pg_constraint parent WHERE parent.oid = k.conparentid AND parent.confrelid = k.confrelid)
		ORDER BY 1`, oids(s.excludedRows), oids(s.excludedTables), oids(s.excludedSchemas), oids(s.tables), oids(s.schemas))
	keys, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("looking for foreign keys to tables whose rows are left out: %w", err)
	}
	for some := range slices.Chunk(keys, namedPerWarning) {
		warnings = append(warnings, "the selection leaves out rows that foreign keys of other tables refer to, and a restore lacks these keys: "+strings.Join(some, ", "))
	}
	return warnings, nil
}
