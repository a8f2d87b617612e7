package manifest

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5/pgconn"
)

// A warning is a sentence; what is longer is some server's essay.
const maxMessage = 2000

// warnings collects those of one scope.
type warnings struct {
	scope string
	list  []Warning
}

// add records an error met while doing something.
func (w *warnings) add(doing string, err error) {
	message, code := err.Error(), sqlState(err)
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		message = e.Message // without the connection's details
		if e.Hint != "" {
			message += " (" + e.Hint + ")"
		}
	}
	w.note(code, "%s: %s", doing, message)
}

// note records a finding, code may be empty.
func (w *warnings) note(code, format string, args ...any) {
	message := strings.ToValidUTF8(fmt.Sprintf(format, args...), "\uFFFD")
	if len(message) > maxMessage {
		message = strings.ToValidUTF8(message[:maxMessage], "") + "..."
	}
	warning := Warning{Scope: w.scope, Message: message}
	if code != "" {
		warning.SQLState = &code
	}
	w.list = append(w.list, warning)
}

// sqlState returns the server's error code, or "".
func sqlState(err error) string {
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return e.Code
	}
	return ""
}

// canRetryWithoutDetails says whether a query may succeed when it asks for less: no locks, no
// files, nothing that takes privileges.
func canRetryWithoutDetails(err error) bool {
	code := sqlState(err)
	return strings.HasPrefix(code, "58") || // an error of the server's file system
		strings.HasPrefix(code, "53") || // too many open files, no memory
		slices.Contains([]string{
			pgerrcode.InsufficientPrivilege, pgerrcode.LockNotAvailable, pgerrcode.QueryCanceled, pgerrcode.InvalidCatalogName,
			pgerrcode.InternalError, // a catalogue entry vanished between two lookups
		}, code)
}
