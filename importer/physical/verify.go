package physical

import (
	"errors"
	"fmt"
	"math/bits"
	"regexp"
	"strings"
)

// maxProblems is how many files an error names.
const maxProblems = 10

// fileSum is what a file is compared by.
type fileSum struct {
	size int64  // bytes
	crc  uint32 // CRC32C
}

// verifier compares the files that passed with the backup manifest.
type verifier struct {
	systemID string
	seen     map[nameHash]packedSum
	names    nameLog
	segments walSegments
	problems []string
	more     int // problems that are not listed
	compared bool
}

func newVerifier(systemID string) *verifier {
	return &verifier{systemID: systemID, seen: make(map[nameHash]packedSum), segments: newSegments()}
}

// segmentName matches the WAL segments, the only files that the manifest does
// not list.
var segmentName = regexp.MustCompile(`^pg_wal/([0-9A-F]{24})$`)

// checkDuplicate refuses a name that was there before.
func (c *verifier) checkDuplicate(name string) error {
	if _, twice := c.seen[hashName(name)]; twice {
		return fmt.Errorf("the server sent the file %q twice", name)
	}
	return nil
}

// add takes note of a file that has passed.
func (c *verifier) add(name string, sum fileSum) error {
	if match := segmentName.FindStringSubmatch(name); match != nil {
		return c.segments.add(match[1], sum.size)
	}
	c.seen[hashName(name)] = sum.pack()
	return c.names.add(name)
}

// compare takes one file of the manifest.
func (c *verifier) compare(f manifestFile) {
	want, err := f.sum()
	if err != nil {
		c.report("%q: %v", f.name(), err)
		return
	}
	hash := hashName(f.name())
	packed, there := c.seen[hash]
	delete(c.seen, hash)
	got := packed.unpack()
	switch {
	case !there:
		c.report("%q is missing", f.name())
	case got.size != want.size:
		c.report("%q has %d bytes in place of %d", f.name(), got.size, want.size)
	case got.crc != want.crc && got.crc != bits.ReverseBytes32(want.crc): // a big-endian server writes it the other way
		c.report("%q has the checksum %08x in place of %08x", f.name(), got.crc, want.crc)
	}
}

// checkSystemID takes the system identifier, which the manifest has from PostgreSQL 17 on.
func (c *verifier) checkSystemID(id string) {
	if id != c.systemID {
		c.report("it describes the cluster %s, not of %s: another server answered", id, c.systemID)
	}
}

// checkWAL takes the WAL that the manifest asks for.
func (c *verifier) checkWAL(all []walRange) {
	c.compared = true
	for _, r := range all {
		if err := c.segments.covers(r); err != nil {
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
	if len(c.seen) == 0 {
		return nil
	}
	return c.names.each(func(name string) {
		if _, there := c.seen[hashName(name)]; there {
			c.report("%q is not in the backup manifest", name)
		}
	})
}
