//go:build !linux

package spool

import (
	"errors"
	"os"
)

// punch cannot free a part of a file here; Close frees the whole.
func punch(*os.File, int64, int64) error { return errors.ErrUnsupported }
