//go:build !linux

package spool

import (
	"errors"
	"os"
)

// punchHole cannot free a part of a file here; Close frees the whole.
func punchHole(*os.File, int64, int64) error { return errors.ErrUnsupported }
