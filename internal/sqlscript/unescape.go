package sqlscript

import (
	"strconv"
	"strings"
	"unicode/utf16"
)

// unescape replaces \XXXX and \+XXXXXX by the characters of these numbers, where escape
// stands for the backslash. What is malformed, the server refuses.
// Source: https://www.postgresql.org/docs/18/sql-syntax-lexical.html#SQL-SYNTAX-IDENTIFIERS-UESCAPE
func unescape(name, escape string) string {
	var out strings.Builder
	if escape == "" {
		return name
	}
	var high rune // the first one of a surrogate pair
	for name != "" {
		before, rest, found := strings.Cut(name, escape)
		out.WriteString(before)
		if !found {
			break
		}
		if strings.HasPrefix(rest, escape) {
			out.WriteString(escape)
			name = rest[len(escape):]
			continue
		}
		digits := 4
		if plus := strings.HasPrefix(rest, "+"); plus {
			rest, digits = rest[1:], 6
		}
		digits = min(digits, len(rest))
		n, err := strconv.ParseUint(rest[:digits], 16, 32)
		if err != nil {
			return out.String()
		}
		name = rest[digits:]
		switch r := rune(n); { // #nosec G115 -- six digits at most
		case utf16.IsSurrogate(r) && high == 0:
			high = r
		case high != 0:
			out.WriteRune(utf16.DecodeRune(high, r))
			high = 0
		default:
			out.WriteRune(r)
		}
	}
	return out.String()
}
