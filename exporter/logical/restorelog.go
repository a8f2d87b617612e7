package logical

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
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
	dropped int  // lines that were too many
	command bool // within the text of a statement

	lookup  lookup   // of the error that was last said
	missing []lookup // what functions looked for in vain

	refused   []string // tables that refused their rows
	refreshes int      // of materialized views, that failed
	followers int      // failures that others brought about

	noLibrary bool // a session could not begin, for want of a library
	notMember bool // something could not be given to its owner

	settings        int  // how often pg_restore itself sets what the server does not know: it counts that as errors
	unknownSettings int  // statements of these that were seen to fail
	failures        int  // other failures that were seen
	ignored         int  // errors by pg_restore's own count, when complete
	complete        bool // pg_restore got to its end
}

// notMember is what servers say to who would give something to a role that it is no member of,
// before and from version 16 on.
var notMember = regexp.MustCompile(`ERROR:  must be (member of role|able to SET ROLE) "`)

// transactionTimeout turns off a timeout that servers before 17 do not have.
const transactionTimeout = "SET transaction_timeout = 0;"

func (l *restoreLog) add(line string) {
	message, ours := trimPrefix(line)
	l.noteLookup(line)
	l.noteRefused(line)
	l.noLibrary = l.noLibrary || strings.Contains(line, `FATAL:  could not access file "`)
	l.notMember = l.notMember || notMember.MatchString(line)
	switch text, command := strings.CutPrefix(line, "Command was: "); {
	case ours:
		l.command = false
		l.complete = false
		if text, end := strings.CutPrefix(message, "warning: errors ignored on restore: "); end {
			n, err := strconv.Atoi(text)
			l.ignored, l.complete = n, err == nil
		}
		// A failed query is told from one of pg_restore's own by the statement, which follows.
		if strings.HasPrefix(message, "error: ") && !strings.Contains(message, "could not execute query") && !strings.Contains(message, "pg_restore:") {
			l.failures++
		}
	case command:
		l.command = true
		if strings.HasPrefix(text, transactionTimeout) {
			l.unknownSettings++
		} else {
			l.failures++
		}
		// Up to the first literal; the other lines of the statement are left out.
		if at := strings.IndexAny(text, "'$"); at >= 0 {
			text = text[:at] + "..."
		}
		line = "Command was: " + text
	case l.command:
		return
	}
	if l.size += len(line); l.size > maxLog {
		l.dropped++
		return
	}
	l.lines = append(l.lines, line)
}

// trimPrefix returns what pg_restore says in a line; ours is false if it is a
// continuation. Its workers write piece by piece into the same pipe, so that one may
// have begun before the other.
func trimPrefix(line string) (text string, ours bool) {
	for {
		rest, found := strings.CutPrefix(line, "pg_restore:")
		if !found {
			return line, ours
		}
		line, ours = strings.TrimPrefix(rest, " "), true
	}
}

// failed reports whether there was an error that is none of an unknown setting.
func (l *restoreLog) failed() bool { return l.failures > 0 }

// result adds what was said to pg_restore's error. When everything was tried and
// pg_restore counts no more errors than its own settings make, nothing failed.
func (l *restoreLog) result(err error) error {
	var exit *proc.Error
	if err == nil || errors.As(err, &exit) && l.complete && l.unknownSettings > 0 && l.ignored <= l.settings {
		if l.unknownSettings > 0 {
			l.lines, l.dropped = nil, 0
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
	if l.dropped > 0 {
		text += fmt.Sprintf("\n[%d more lines]", l.dropped)
	}
	return text
}
