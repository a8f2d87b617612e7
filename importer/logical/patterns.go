package logical

import (
	"context"
	"fmt"
	"slices"

	"github.com/PlakarKorp/integration-postgresql/internal/conninfo"
	"github.com/PlakarKorp/integration-postgresql/internal/options"
)

// patterns are the user's, in UTF-8, and what they are in the encoding of the database:
// pg_dump takes them to be in that, in which it makes the dump.
type patterns map[string]string

func (p patterns) of(pattern string) string {
	if encoded, ok := p[pattern]; ok {
		return encoded
	}
	return pattern
}

// in returns options for pg_dump.
func (p patterns) in(o options.Import) *options.Import {
	for _, list := range patternsOf(&o) {
		*list = slices.Clone(*list)
		for n, pattern := range *list {
			(*list)[n] = p.of(pattern)
		}
	}
	return &o
}

func patternsOf(o *options.Import) []*[]string {
	return []*[]string{&o.Schemas, &o.ExcludeSchemas, &o.Tables, &o.ExcludeTables, &o.ExcludeTableData}
}

// encodePatterns asks the database's server what the patterns are in its encoding. One that
// cannot be written in it stays as it is, and matches nothing.
func encodePatterns(ctx context.Context, o *options.Import, s *server, database string) (patterns, error) {
	var all []string
	for _, list := range patternsOf(o) {
		all = append(all, *list...)
	}
	if !slices.ContainsFunc(all, func(pattern string) bool { return !isASCII(pattern) }) {
		return nil, nil
	}
	conn, err := s.info.Connect(ctx, database)
	if err != nil {
		return nil, err
	}
	defer closeConn(ctx, conn)
	encoded, err := conninfo.Convert(ctx, conn, all, "UTF8", conn.PgConn().ParameterStatus("server_encoding"))
	if err != nil {
		return nil, fmt.Errorf("reading the patterns of the options: %w", err)
	}
	return encoded, nil
}

func isASCII(text string) bool {
	return !slices.ContainsFunc([]byte(text), func(c byte) bool { return c >= 0x80 })
}
