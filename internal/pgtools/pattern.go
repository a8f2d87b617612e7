package pgtools

import "strings"

// PatternRegexps are the regular expressions, in PostgreSQL's own dialect, that pg_dump
// makes of a pattern: of the name, and of the schema before it, "" without one. The
// name of a database before both is left out.
// Source: patternToSQLRegex in src/fe_utils/string_utils.c
func PatternRegexps(pattern string) (schema, name string) {
	parts := []string{""}
	quoted := false
	for i := 0; i < len(pattern); i++ {
		last := &parts[len(parts)-1]
		rest := pattern[i:]
		switch {
		case quoted && strings.HasPrefix(rest, `""`):
			*last += `"`
			i++
		case rest[0] == '"':
			quoted = !quoted
		case rest[0] == '.' && !quoted:
			parts = append(parts, "")
		case quoted:
			*last += escapeQuoted(rest[0])
		default:
			*last += translate(rest)
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

// escapeQuoted is a byte between quotes, which stands for itself.
func escapeQuoted(c byte) string {
	if strings.IndexByte(`|*+?()[]{}.^$\`, c) >= 0 {
		return `\` + string([]byte{c})
	}
	return string([]byte{c})
}

// translate is the first byte of a pattern's rest, outside of quotes: what is special in
// a regular expression stays so, but for "$" and for the brackets of an array's type.
func translate(rest string) string {
	switch c := rest[0]; {
	case c >= 'A' && c <= 'Z':
		return string([]byte{c + 'a' - 'A'})
	case c == '*':
		return ".*"
	case c == '?':
		return "."
	case c == '$', strings.HasPrefix(rest, "[]"):
		return `\` + rest[:1]
	}
	return rest[:1]
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
