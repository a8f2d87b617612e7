//go:build !linux

package proc

import "os"

// SetPipeSize does nothing: pipes have one size here.
func SetPipeSize(*os.File) {}
