package physical

import "os"

// SetQuiet leaves out what tells how to start the directory: who calls it starts a server
// there.
func (e *Exporter) SetQuiet() { e.options.Quiet = true }

// Owner is the user and group that the option "owner" names, or that hold without it.
func Owner(option string) (uid, gid int, err error) {
	own, err := findOwner(option, os.Geteuid())
	return own.uid, own.gid, err
}
