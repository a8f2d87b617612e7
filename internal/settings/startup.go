package settings

import (
	"slices"
	"strings"
)

// Options writes settings, and after them what the user's own options say, as the
// parameter "options" of a connection.
// Source: https://www.postgresql.org/docs/18/libpq-connect.html#LIBPQ-CONNECT-OPTIONS
func Options(list []Setting, users string) string {
	words := make([]string, 0, 2*len(list)+1)
	for _, s := range list {
		words = append(words, "-c", escape(s.Name+"="+s.Value))
	}
	if users != "" {
		words = append(words, users)
	}
	return strings.Join(words, " ")
}

func escape(word string) string {
	return strings.NewReplacer(`\`, `\\`, " ", `\ `).Replace(word)
}

// Parse reads the settings that a connection's parameter "options" gives, by their names
// in lower case. What it does not know is left to the server.
// Source: process_postgres_switches in src/backend/tcop/postgres.c
func Parse(options string) map[string]string {
	found := make(map[string]string)
	words := split(options)
	for n := 0; n < len(words); n++ {
		word := words[n]
		text, long := strings.CutPrefix(word, "--")
		if !long {
			var short bool
			if text, short = strings.CutPrefix(word, "-c"); !short {
				continue
			}
			if text == "" && n+1 < len(words) {
				n++
				text = words[n]
			}
		}
		if name, value, ok := strings.Cut(text, "="); ok {
			found[strings.ToLower(strings.ReplaceAll(name, "-", "_"))] = value
		}
	}
	return found
}

// split splits at white space that no backslash precedes.
// Source: pg_split_opts in src/backend/utils/init/postinit.c
func split(text string) []string {
	var words []string
	var word []byte
	inside := false
	for n := 0; n < len(text); n++ {
		c := text[n]
		switch {
		case c == '\\' && n+1 < len(text):
			n++
			word, inside = append(word, text[n]), true
		case strings.IndexByte(" \t\n\v\f\r", c) >= 0:
			if inside {
				words = append(words, string(word))
			}
			word, inside = word[:0], false
		case c != '\\':
			word, inside = append(word, c), true
		}
	}
	if inside {
		words = append(words, string(word))
	}
	return words
}

// Without returns the settings that users does not name: see Parse.
func Without(list []Setting, users map[string]string) []Setting {
	return slices.DeleteFunc(slices.Clone(list), func(s Setting) bool {
		_, given := users[strings.ToLower(s.Name)]
		return given
	})
}
