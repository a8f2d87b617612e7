package plugin

import (
	"errors"
	"io"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/PlakarKorp/kloset/connectors"
)

func TestSanitizeError(t *testing.T) {
	if sanitizeError(nil) != nil {
		t.Error("an error from nothing")
	}
	for text, want := range map[string]string{
		"plain":                    "plain",
		"two\n  lines\r\n\n":       "two; lines",
		"\x1b[31mred\a\x7f\u0085!": "\uFFFD[31mred\uFFFD\uFFFD\uFFFD!",
		"caf\xe9":                  "caf\uFFFD",
	} {
		if got := sanitizeError(errors.New(text)).Error(); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
	long := sanitizeError(errors.New(strings.Repeat("é", maxError))).Error()
	if len(long) > maxError+10 || !utf8.ValidString(long) || !strings.HasSuffix(long, "[...]") {
		t.Errorf("%d bytes, %q", len(long), long[len(long)-20:])
	}
}

// The error of a record's content is what plakar prints for the file.
func TestContentErrorsAreSanitized(t *testing.T) {
	record := &connectors.Record{Pathname: "/f", Reader: io.NopCloser(&failing{errors.New("a\nb\x1b")})}
	newPendingRecords().add(record)
	if _, err := io.ReadAll(record.Reader); err == nil || err.Error() != "a; b\uFFFD" {
		t.Error(err)
	}
}

type failing struct{ err error }

func (f *failing) Read([]byte) (int, error) { return 0, f.err }
