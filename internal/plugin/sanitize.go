package plugin

import (
	"errors"
	"strings"
	"unicode"
)

// maxError is how long the text of an error may be, in bytes; it crosses to
// plakar in an HTTP/2 header.
const maxError = 8 << 10

// sanitizeError makes err's text fit for the way to plakar and to a terminal: valid UTF-8
// of a few KB, on one line and without control characters, which a name in a database
// may have.
func sanitizeError(err error) error {
	if err == nil {
		return nil
	}
	var lines []string
	for line := range strings.Lines(strings.ToValidUTF8(err.Error(), "\uFFFD")) {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, line)
		}
	}
	text := strings.Map(printable, strings.Join(lines, "; "))
	if len(text) > maxError {
		text = strings.ToValidUTF8(text[:maxError], "") + " [...]"
	}
	if text == err.Error() {
		return err
	}
	return errors.New(text)
}

// printable replaces what could steer a terminal.
func printable(r rune) rune {
	if unicode.IsControl(r) {
		return unicode.ReplacementChar
	}
	return r
}
