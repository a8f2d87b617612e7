package wal

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// LSN is a position in the WAL, in bytes.
type LSN uint64

// LSNBits is how many bits a position has.
const LSNBits = 64

// ParseLSN reads "16/B374D848".
// Source: https://www.postgresql.org/docs/18/datatype-pg-lsn.html
func ParseLSN(text string) (LSN, error) {
	high, low, ok := strings.Cut(text, "/")
	h, errHigh := strconv.ParseUint(high, 16, 32)
	l, errLow := strconv.ParseUint(low, 16, 32)
	if err := errors.Join(errHigh, errLow); err != nil || !ok {
		return 0, fmt.Errorf("%q is no position in the WAL: it looks like 16/B374D848", text)
	}
	return LSN(h<<32 | l), nil
}

// String is the position as PostgreSQL writes it.
func (l LSN) String() string { return fmt.Sprintf("%X/%X", uint64(l)>>32, uint32(l)) } // #nosec G115 -- the lower half

// MarshalText implements encoding.TextMarshaler.
func (l LSN) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (l *LSN) UnmarshalText(text []byte) (err error) {
	*l, err = ParseLSN(string(text))
	return err
}

// Timeline is the number of a timeline, from 1 on.
type Timeline uint32

// String is the number as it is in the names of files: 8 hexadecimal digits.
func (t Timeline) String() string { return fmt.Sprintf("%08X", uint32(t)) }
