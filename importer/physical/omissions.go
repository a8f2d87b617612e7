package physical

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"
)

// maxOmissions is how many messages are kept.
const maxOmissions = 10_000

// omissions collects the messages by which a server says that it does not send an entry
// of a directory, because that is neither a file nor a directory. It is safe for
// concurrent use.
type omissions struct {
	mu       sync.Mutex
	messages []string
	more     int  // messages that are not kept
	certain  bool // no message is about something else
}

// add takes a message of the server, which may be about something else.
func (o *omissions) add(message string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.messages) == maxOmissions {
		o.more++
		return
	}
	o.messages = append(o.messages, message)
}

// neededDirs are what a recovery reads of a data directory, with all that is below.
// What else initdb makes is sent empty, whatever it is (pg_replslot), or is there for
// statistics only (pg_stat).
// Source: https://www.postgresql.org/docs/18/storage-file-layout.html
var neededDirs = []string{
	"base", "global", "pg_commit_ts", "pg_logical", "pg_multixact", linkDir, "pg_twophase", "pg_wal", "pg_xact",
	"PG_VERSION", // a file, without which no server starts
}

// needs reports whether a restored cluster needs the entry of the given name in the data
// directory.
func (l layout) needs(name string) bool {
	top, below, _ := strings.Cut(name, "/")
	if top == tablespaceDir {
		return below != "" && l.resolveBase(name).path != ""
	}
	return slices.Contains(neededDirs, top)
}

// judge says what became of the entries that the server did not send: an error that names
// those that a restored cluster needs, a warning for every other one.
func (s *server) judge(o *omissions, e *recordEmitter) error {
	names, err := e.notSent(o)
	if err != nil {
		return err
	}
	var lost []string
	for _, name := range names {
		if o.certain && !fs.ValidPath(name) || e.layout.needs(name) {
			lost = append(lost, fmt.Sprintf("%q", name))
			continue
		}
		s.warn(fmt.Sprintf("%q in the data directory is neither a file nor a directory: the server did not send it, and it is not in the backup", name))
	}
	if len(lost)+o.more == 0 {
		return nil
	}
	text := strings.Join(lost[:min(len(lost), maxProblems)], ", ")
	if more := max(len(lost)-maxProblems, 0) + o.more; more > 0 {
		text = strings.TrimPrefix(fmt.Sprintf("%s and %d more", text, more), " and ")
	}
	return errors.New("the server did not send " + text + ", which is neither a file nor a directory: the backup would not be of the whole cluster\n" +
		"hint: stop the server and replace each symbolic link by what it leads to; to keep data on another disk use tablespaces")
}

// notSent returns the names, in the data directory, that the messages are about, but for
// what has been sent: then the message was about something else.
func (s *recordEmitter) notSent(o *omissions) ([]string, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	named := make(map[string]bool)
	for _, message := range o.messages {
		name := s.layout.named(message)
		if name == "" && o.certain {
			name = message + "/" // no valid path: it may be about anything, so it counts
		}
		if name != "" {
			named[name] = true
		}
	}
	if len(named) == 0 {
		return nil, nil
	}
	err := s.check.names.each(func(name string) { delete(named, name) })
	names := make([]string, 0, len(named))
	for name := range named {
		if !s.directories[path.Join("/", name)] {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names, err
}

// named finds the path in a message, whatever the language, and returns the name in the
// data directory that it is of; "" if there is none. The server, whose working directory
// is the data directory, writes "./base/1" or, in a tablespace, what its link leads to.
func (l layout) named(message string) string {
	message = decoded(message)
	if at := pathIndex(message, "./"); at >= 0 {
		return path.Clean(quotedAt(message, at))
	}
	if at := pathIndex(message, linkDir+"/"); at >= 0 { // an in-place tablespace
		return path.Clean(quotedAt(message, at))
	}
	for _, t := range l.all {
		if at := pathIndex(message, t.Location+"/"); at >= 0 {
			return path.Join(linkDir, t.OID, quotedAt(message, at)[len(t.Location):])
		}
	}
	return ""
}

// decoded is a message as UTF-8: a server whose locale has another encoding writes its
// quotation marks as LATIN1, or as ASCII.
func decoded(message string) string {
	if utf8.ValidString(message) {
		return message
	}
	runes := make([]rune, 0, len(message))
	for _, b := range []byte(message) {
		runes = append(runes, rune(b))
	}
	return string(runes)
}

// pathIndex is where a path with the given beginning starts in a message, -1 for nowhere.
func pathIndex(message, prefix string) int {
	for from := 0; ; {
		at := strings.Index(message[from:], prefix)
		if at < 0 {
			return -1
		}
		at += from
		before, _ := utf8.DecodeLastRuneInString(message[:at])
		if at == 0 || !unicode.IsLetter(before) && !unicode.IsDigit(before) && !strings.ContainsRune("._-/", before) {
			return at
		}
		from = at + 1
	}
}

// closing is the quotation mark that ends what mark begins in some language that
// PostgreSQL speaks; 0 if mark is none.
func closing(mark rune) rune {
	const opening, ends = "\"'«»„“‘`", "\"'»«“”’'"
	for n, r := range []rune(opening) {
		if r == mark {
			return []rune(ends)[n]
		}
	}
	return 0
}

// quotedAt is the path that starts at an index of the message and ends before the
// quotation mark that belongs to the one in front of it.
func quotedAt(message string, at int) string {
	before := strings.TrimRight(message[:at], " \u00a0")
	mark, _ := utf8.DecodeLastRuneInString(before)
	rest := message[at:]
	if end := strings.LastIndex(rest, string(closing(mark))); closing(mark) != 0 && end >= 0 {
		rest = rest[:end]
	}
	return strings.TrimRight(rest, " \u00a0\r\n")
}
