//go:build !linux

package spool

import (
	"errors"
	"os"
)

// openMemory is not there: large files wait in a temporary file.
func openMemory() (*os.File, error) { return nil, errors.ErrUnsupported }

func freeMemory() uint64 { return 0 }
