package physical

import (
	"errors"
	"fmt"
	"strings"

	"github.com/PlakarKorp/integration-postgresql/internal/backupmanifest"
)

// maxProblems is how many files an error names.
const maxProblems = 10

// verifier compares the files that passed with the backup manifest.
type verifier struct {
	systemID string
	seen     *backupmanifest.SumSet
	names    nameLog
	segments *backupmanifest.Segments
	problems []string
	more     int // problems that are not listed
	compared bool
	ranges   []backupmanifest.WALRange // that the manifest asks for
}

func newVerifier(systemID string) *verifier {
	return &verifier{systemID: systemID, seen: backupmanifest.NewSumSet(), segments: backupmanifest.NewSegments()}
}

// checkDuplicate refuses a name that was there before.
func (c *verifier) checkDuplicate(name string) error {
	if c.seen.Has(name) {
		return fmt.Errorf("the server sent the file %q twice", name)
	}
	return nil
}

// add takes note of a file that has passed.
func (c *verifier) add(name string, sum backupmanifest.Sum) error {
	if segment, ok := backupmanifest.SegmentName(name); ok {
		return c.segments.Add(segment, sum.Size)
	}
	c.seen.Put(name, sum)
	return c.names.add(name)
}

// File implements backupmanifest.Handler.
func (c *verifier) File(f backupmanifest.File) {
	want, err := f.Sum()
	if err != nil {
		c.report("%q: %v", f.Name(), err)
		return
	}
	got, there := c.seen.Take(f.Name())
	switch {
	case !there:
		c.report("%q is missing", f.Name())
	case got.Size != want.Size:
		c.report("%q has %d bytes in place of %d", f.Name(), got.Size, want.Size)
	case !got.SameCRC(want):
		c.report("%q has the checksum %08x in place of %08x", f.Name(), got.CRC, want.CRC)
	}
}

// SystemIdentifier implements backupmanifest.Handler.
func (c *verifier) SystemIdentifier(id string) {
	if id != c.systemID {
		c.report("it describes the cluster %s, not of %s: another server answered", id, c.systemID)
	}
}

// WALRanges implements backupmanifest.Handler.
func (c *verifier) WALRanges(all []backupmanifest.WALRange) {
	c.compared, c.ranges = true, all
	for _, r := range all {
		if err := c.segments.Covers(r); err != nil {
			c.report("%v", err)
		}
	}
}

func (c *verifier) report(format string, args ...any) {
	if len(c.problems) == maxProblems {
		c.more++
		return
	}
	c.problems = append(c.problems, fmt.Sprintf(format, args...))
}

// verdict is the verdict after the last file. The manifest must have been there if
// required.
func (c *verifier) verdict(required bool) error {
	if !c.compared {
		if required {
			return errors.New("the backup has no backup manifest: it cannot be verified")
		}
		return nil
	}
	if err := c.unexpected(); err != nil {
		return err
	}
	if len(c.problems) == 0 {
		return nil
	}
	text := strings.Join(c.problems, "; ")
	if c.more > 0 {
		text += fmt.Sprintf("; and %d more", c.more)
	}
	return fmt.Errorf("the backup does not agree with the server's backup manifest: %s", text)
}

// unexpected reports what the manifest did not list.
func (c *verifier) unexpected() error {
	if c.seen.Len() == 0 {
		return nil
	}
	return c.names.each(func(name string) {
		if c.seen.Has(name) {
			c.report("%q is not in the backup manifest", name)
		}
	})
}
