package physical

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/PlakarKorp/integration-postgresql/internal/backupmanifest"
	"github.com/PlakarKorp/integration-postgresql/internal/recordname"
	"github.com/PlakarKorp/integration-postgresql/internal/replication"
)

// maxProblems is how many files an error names.
const maxProblems = 10

// maxEarly is how many files may come before the backup manifest: names at the top of a
// data directory that sort before it, of which PostgreSQL has three.
const maxEarly = 1000

// checker compares what is written with the backup manifest.
type checker struct {
	without  bool // a server of this version sends no backup manifest
	ready    bool // the manifest is here, and agrees with its own checksum
	expected *backupmanifest.SumSet
	segments *backupmanifest.Segments
	ranges   []backupmanifest.WALRange
	systemID string // as the manifest has it, "" before PostgreSQL 17
	// apart are the tablespaces, by OID, that the manifest lists files of below
	// pg_tblspc: the server sent them apart from the data directory.
	apart map[string]bool
	// early are the files that came before the manifest, few.
	early  map[string]backupmanifest.Sum
	failed int // files that are not as they were
	err    error
}

func newChecker() *checker {
	return &checker{
		expected: backupmanifest.NewSumSet(), segments: backupmanifest.NewSegments(), early: make(map[string]backupmanifest.Sum),
		apart: make(map[string]bool),
	}
}

// File implements backupmanifest.Handler.
func (c *checker) File(f backupmanifest.File) {
	sum, err := f.Sum()
	if err != nil {
		c.err = errors.Join(c.err, fmt.Errorf("%q: %w", f.Name(), err))
		return
	}
	c.expected.Put(f.Name(), sum)
	if rest, ok := strings.CutPrefix(f.Name(), linkDir+"/"); ok {
		oid, _, _ := strings.Cut(rest, "/")
		c.apart[oid] = true
	}
}

// leftOut reports whether a backup leaves a file out that the backup manifest lists: what
// an earlier restore had put into the data directory. A tablespace that the server sent
// apart from it cannot be in it as well.
func (c *checker) leftOut(name string) bool {
	rest, inside := strings.CutPrefix(name, tablespaceDir+"/")
	oid, _, _ := strings.Cut(rest, "/")
	return name == recordname.Manifest[1:] || inside && c.apart[oid]
}

// SystemIdentifier implements backupmanifest.Handler.
func (c *checker) SystemIdentifier(id string) { c.systemID = id }

// WALRanges implements backupmanifest.Handler.
func (c *checker) WALRanges(all []backupmanifest.WALRange) { c.ranges = all }

// read takes the backup manifest, and compares what came before it.
func (c *checker) read(r io.Reader) error {
	if err := backupmanifest.Read(r, c); err != nil {
		return err
	}
	if c.err != nil {
		return c.err
	}
	c.ready = true
	var problems []error
	for name, sum := range c.early {
		problems = append(problems, c.compare([]string{name}, sum))
	}
	c.early = nil
	return errors.Join(problems...)
}

// file takes a file that was written; the backup manifest has it by one of the names.
func (c *checker) file(names []string, sum backupmanifest.Sum) error {
	name := names[0]
	if segment, ok := backupmanifest.SegmentName(name); ok {
		return c.count(c.segments.Add(segment, sum.Size))
	}
	switch {
	case name == replication.ManifestName || name == recordname.Manifest[1:] || c.without:
		return nil
	case !c.ready:
		c.early[name] = sum
		return nil // admit limits how many
	}
	return c.count(c.compare(names, sum))
}

func (c *checker) count(problem error) error {
	if problem != nil {
		c.failed++
	}
	return problem
}

// compare says how a file differs.
func (c *checker) compare(names []string, got backupmanifest.Sum) error {
	for _, name := range names {
		want, there := c.expected.Take(name)
		switch {
		case !there:
			continue
		case got.Size != want.Size:
			return fmt.Errorf("%q has %d bytes in place of %d", name, got.Size, want.Size)
		case !got.SameCRC(want):
			return fmt.Errorf("%q has the checksum %08x in place of %08x", name, got.CRC, want.CRC)
		}
		return nil
	}
	return fmt.Errorf("%q is not in the backup manifest", names[len(names)-1])
}

// complete is the verdict after the last file; again opens the backup manifest, which
// names what is missing.
func (c *checker) complete(again func(func(io.Reader) error) error) error {
	if c.failed > 0 {
		return fmt.Errorf("%d files are not as the backup manifest says", c.failed)
	}
	if c.expected.Len() > 0 {
		m := missing{checker: c}
		if err := again(func(r io.Reader) error { return backupmanifest.Read(r, &m) }); err != nil {
			return err
		}
		if m.more > 0 {
			m.names = append(m.names, fmt.Sprintf("and %d more", m.more))
		}
		if len(m.names) > 0 {
			return fmt.Errorf("files of the backup are missing: %s", strings.Join(m.names, ", "))
		}
	}
	for _, r := range c.ranges {
		if err := c.segments.Covers(r); err != nil {
			return err
		}
	}
	return nil
}

// missing collects the names of files that did not come.
type missing struct {
	checker *checker
	names   []string
	more    int
}

// File implements backupmanifest.Handler.
func (m *missing) File(f backupmanifest.File) {
	switch {
	case !m.checker.expected.Has(f.Name()) || m.checker.leftOut(f.Name()):
	case len(m.names) == maxProblems:
		m.more++
	default:
		m.names = append(m.names, fmt.Sprintf("%q", f.Name()))
	}
}

// SystemIdentifier implements backupmanifest.Handler.
func (m *missing) SystemIdentifier(string) {}

// WALRanges implements backupmanifest.Handler.
func (m *missing) WALRanges([]backupmanifest.WALRange) {}
