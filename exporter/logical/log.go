package logical

import (
	"errors"
	"fmt"
	"strings"

	"github.com/PlakarKorp/integration-postgresql/internal/proc"
)

// maxLog is how much of what pg_restore says is kept, in bytes.
const maxLog = 4 << 10

// restoreLog keeps what pg_restore says, in English, less what may be secret: it
// repeats the statement that failed, which may define a subscription, a user mapping
// or a setting.
type restoreLog struct {
	lines   []string
	size    int
	left    int  // lines that were too many
	command bool // within the text of a statement

	errors   int  // that pg_restore counts
	pending  int  // of those, whose statement is yet to come
	foreign  int  // of those, settings that an older server does not know
	complete bool // pg_restore got to its end
}

func (l *restoreLog) add(line string) {
	if strings.HasPrefix(line, "pg_restore:") {
		l.command = false
		if strings.HasPrefix(line, "pg_restore: error: ") {
			l.errors++
			if strings.HasPrefix(line, "pg_restore: error: could not execute query") {
				l.pending++
			}
		}
		l.complete = strings.HasPrefix(line, "pg_restore: warning: errors ignored on restore: ")
	} else if text, ok := strings.CutPrefix(line, "Command was: "); ok {
		l.command = true
		l.pending--
		if text == "SET transaction_timeout = 0;" {
			l.foreign++
		}
		// Up to the first literal; the other lines of the statement are left out.
		if at := strings.IndexAny(text, "'$"); at >= 0 {
			text = text[:at] + "..."
		}
		line = "Command was: " + text
	} else if l.command {
		return
	}
	if l.size += len(line); l.size > maxLog {
		l.left++
		return
	}
	l.lines = append(l.lines, line)
}

// failed reports whether there was an error that is none of a foreign setting.
func (l *restoreLog) failed() bool { return l.errors-l.pending > l.foreign }

// judge adds what was said to pg_restore's error. From version 17 on pg_restore turns
// off a timeout that older servers do not have: when everything was tried and nothing
// else failed, nothing did.
func (l *restoreLog) judge(err error) error {
	var exit *proc.Error
	if err == nil || errors.As(err, &exit) && l.complete && l.errors == l.foreign {
		if l.foreign > 0 {
			l.lines, l.left = nil, 0
		}
		return nil
	}
	if text := l.String(); text != "" {
		return fmt.Errorf("%w\n%s", err, text)
	}
	return err
}

func (l *restoreLog) String() string {
	text := strings.Join(l.lines, "\n")
	if l.left > 0 {
		text += fmt.Sprintf("\n[%d more lines]", l.left)
	}
	return text
}
