package pgtools

import "strings"

// PatternRegexps are the regular expressions, in PostgreSQL's own dialect, that pg_dump
// makes of a pattern: of the name, and of the schema before it, "" without one. The
// name of a database before both is left out.
// Source: patternToSQLRegex in src/fe_utils/string_utils.c
func PatternRegexps(pattern string) (schema, name string) {
	parts := []string{""}
	last := func() *string { return &parts[len(parts)-1] }
	quoted := false
	for i := 0; i < len(pattern); i++ {
		c := pattern[i]
		switch {
		case c == '"' && quoted && strings.HasPrefix(pattern[i+1:], `"`):
			*last() += `"`
			i++
		case c == '"':
			quoted = !quoted
		case !quoted && c >= 'A' && c <= 'Z':
			*last() += string(c + 'a' - 'A')
		case !quoted && c == '*':
			*last() += ".*"
		case !quoted && c == '?':
			*last() += "."
		case !quoted && c == '.':
			parts = append(parts, "")
		case c == '$', quoted && strings.IndexByte(`|*+?()[]{}.^\`, c) >= 0, strings.HasPrefix(pattern[i:], "[]"):
			*last() += `\` + pattern[i:i+1]
		default:
			*last() += pattern[i : i+1]
		}
	}
	for n := range parts {
		parts[n] = "^(" + parts[n] + ")$"
	}
	if len(parts) > 1 {
		schema = parts[len(parts)-2]
	}
	return schema, parts[len(parts)-1]
}

// ExtensionsSince is the first pg_dump that can be told which extensions to dump.
// Source: https://www.postgresql.org/docs/14/release-14.html
const ExtensionsSince = 14

// CompletionArgs add to a selection of schemas or tables what belongs to it: extensions
// by name, and tables as schema and name.
func CompletionArgs(extensions []string, tables [][2]string) []string {
	args := make([]string, 0, len(extensions)+len(tables))
	for _, name := range extensions {
		args = append(args, `--extension="`+strings.ReplaceAll(name, `"`, `""`)+`"`)
	}
	for _, t := range tables {
		args = append(args, "--table="+Pattern(t[0], t[1]))
	}
	return args
}
