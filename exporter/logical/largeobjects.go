package logical

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/PlakarKorp/integration-postgresql/internal/dumparchive"
)

// The kinds of entries that create large objects: one, as pg_dump before version 17 writes
// them, or several, whose OIDs are all that the entry has, one a line.
const (
	largeObject  = "BLOB"
	largeObjects = "BLOB METADATA"
)

var number = regexp.MustCompile(`[0-9]+`)

// oidsOf are the large objects that an entry creates.
func oidsOf(e *dumparchive.Entry) (oids []uint32) {
	if e.Desc != largeObject && e.Desc != largeObjects {
		return nil
	}
	for _, digits := range number.FindAllString(e.Defn, -1) {
		if oid, err := strconv.ParseUint(digits, 10, 32); err == nil {
			oids = append(oids, uint32(oid))
		}
	}
	return oids
}

// largeObjectsIn are the large objects that the archive creates.
func largeObjectsIn(a *archive) []uint32 {
	oids := []uint32{}
	for n := range a.toc.Entries {
		if e := &a.toc.Entries[n]; a.chooses(e) {
			oids = append(oids, oidsOf(e)...)
		}
	}
	return oids
}

// resetLargeObjects lets the large objects that the archive creates lose default
// privileges, but for those that are there: they are not created. What creates several
// cannot be given a statement of ours: it is followed by one, and only then by content.
func resetLargeObjects(a *archive, there []uint32) (changed bool) {
	waits := map[int]int{}
	for n := 0; n < len(a.toc.Entries); n++ {
		e := &a.toc.Entries[n]
		oids := slices.DeleteFunc(oidsOf(e), func(oid uint32) bool { return slices.Contains(there, oid) })
		if len(oids) == 0 || !a.chooses(e) {
			continue
		}
		changed = true
		if e.Desc == largeObject {
			e.Defn += resetOf(oids)
			continue
		}
		created := e.DumpID
		n++
		id := a.toc.InsertSQL(n, "privileges of large objects", resetOf(oids))
		a.toc.Entries[n].Dependencies = []int{created}
		if a.chosen != nil {
			a.chosen[id] = true
		}
		waits[created] = id
	}
	for n := range a.toc.Entries {
		e := &a.toc.Entries[n]
		for _, on := range slices.Clone(e.Dependencies) {
			if id, ok := waits[on]; ok && e.Desc == "BLOBS" {
				e.Dependencies = append(e.Dependencies, id)
			}
		}
	}
	return changed
}

// resetOf is the statement that gives large objects the privileges that they have without
// ALTER DEFAULT PRIVILEGES.
func resetOf(oids []uint32) string {
	texts := make([]string, len(oids))
	for n, oid := range oids {
		texts[n] = strconv.FormatUint(uint64(oid), 10)
	}
	return fmt.Sprintf(resetTemplate, false, `SELECT 'L'::"char" AS kind, 'LARGE OBJECT' AS what, oid::text AS name, 0::pg_catalog.oid AS namespace, lomowner AS owner, lomacl AS acl
			FROM pg_catalog.pg_largeobject_metadata WHERE oid IN (`+strings.Join(texts, ", ")+")")
}
