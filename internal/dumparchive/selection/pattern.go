package selection

import (
	"fmt"
	"regexp"
	"strings"
)

// pattern matches names as patterns of pg_dump do.
type pattern struct {
	exact        string         // the text as it was given, if it may be a name as it is
	schema, name *regexp.Regexp // schema is nil if the pattern has none
}

// parsePattern reads a pattern of a table or of a schema. It may begin with the database that
// the archive is of.
//
// Source: "Patterns" in psql's manual; patternToSQLRegex in src/fe_utils/string_utils.c.
func parsePattern(text string, qualified bool, database string) (pattern, error) {
	parts, err := splitPattern(text)
	if err != nil {
		return pattern{}, err
	}
	most, form := 1, "schema"
	if qualified {
		most, form = 2, "schema.table"
	}
	if len(parts) == most+1 && parts[0] == literal(database) {
		_, text, _ = strings.Cut(text, ".")
		parts = parts[1:]
	}
	if len(parts) > most {
		return pattern{}, fmt.Errorf("%q has too many dots, and does not begin with the database of the dump, %q: the form is %s; put a name with a dot into double quotes", text, database, form)
	}
	p := pattern{}
	if !strings.ContainsAny(text, `*?"[(|+`) {
		p.exact = text
	}
	compiled := make([]*regexp.Regexp, len(parts))
	for n, part := range parts {
		if compiled[n], err = regexp.Compile(`(?s)\A(?:` + part + `)\z`); err != nil {
			return pattern{}, fmt.Errorf("%q is not a valid pattern: %w", text, err)
		}
	}
	p.name = compiled[len(compiled)-1]
	if len(compiled) > 1 {
		p.schema = compiled[0]
	}
	return p, nil
}

// splitPattern turns the parts of a pattern into regular expressions.
func splitPattern(text string) ([]string, error) {
	var parts []string
	var b strings.Builder
	quoted := false
	for n := 0; n < len(text); n++ {
		c := text[n]
		switch {
		case c == '"' && quoted && n+1 < len(text) && text[n+1] == '"':
			b.WriteByte('"')
			n++
		case c == '"':
			quoted = !quoted
		case quoted:
			b.WriteString(literalByte(c))
		case c == '.':
			parts = append(parts, b.String())
			b.Reset()
		default:
			b.WriteString(unquotedByte(c))
		}
	}
	if quoted {
		return nil, fmt.Errorf("%q has a double quote without its pair", text)
	}
	parts = append(parts, b.String())
	for _, part := range parts {
		if part == "" {
			return nil, fmt.Errorf("%q has an empty name", text)
		}
	}
	return parts, nil
}

// unquotedByte folds capital letters, and translates what stands for others; what else
// means something in a regular expression may do so.
func unquotedByte(c byte) string {
	switch {
	case c == '*':
		return ".*"
	case c == '?':
		return "."
	case c == '$':
		return `\$`
	case c >= 'A' && c <= 'Z':
		c += 'a' - 'A'
	}
	return string([]byte{c})
}

// literal is a regular expression of one text.
func literal(text string) string {
	var b strings.Builder
	for n := range len(text) {
		b.WriteString(literalByte(text[n]))
	}
	return b.String()
}

// Qualified reports whether a pattern of a table names a schema as well.
func Qualified(pattern string) bool {
	parts, err := splitPattern(pattern)
	return err == nil && len(parts) > 1
}

func literalByte(c byte) string {
	if strings.IndexByte(`|*+?()[]{}.^$\`, c) >= 0 {
		return `\` + string(rune(c))
	}
	return string([]byte{c})
}

func (p pattern) matches(schema, name string) bool {
	return (p.schema == nil || p.schema.MatchString(schema)) && p.name.MatchString(name)
}
