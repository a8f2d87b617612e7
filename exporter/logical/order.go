package logical

import (
	"slices"
	"strings"

	"github.com/PlakarKorp/integration-postgresql/internal/dumparchive"
)

// eventTrigger is the kind of entry that makes one.
const eventTrigger = "EVENT TRIGGER"

// eventTriggersLast reports whether entries have to be restored in another order than the archive's. pg_dump
// puts event triggers before the refreshing of materialized views, which then fires them: one that refuses
// statements would leave the views empty, and one that logs them would add rows of its own.
// Source: dbObjectTypePriorities in src/bin/pg_dump/pg_dump_sort.c
func (a *archive) eventTriggersLast() bool {
	return a.toc.Find(eventTrigger) != nil && a.toc.Find(viewRows) != nil
}

// eventTriggersAfterViews makes event triggers depend on the refreshing of materialized views, for a
// pg_restore with several connections: that takes what is ready, and no order from a list.
// Source: restore_toc_entries_parallel in src/bin/pg_dump/pg_backup_archiver.c
func eventTriggersAfterViews(a *archive) (changed bool) {
	if !a.eventTriggersLast() {
		return false
	}
	var views []int
	for n := range a.toc.Entries {
		if e := &a.toc.Entries[n]; e.Desc == viewRows {
			views = append(views, e.DumpID)
		}
	}
	for n := range a.toc.Entries {
		if e := &a.toc.Entries[n]; e.Desc == eventTrigger {
			e.Dependencies = append(slices.Clip(e.Dependencies), views...)
		}
	}
	return true
}

// ofEventTrigger reports whether the entry makes an event trigger, or belongs to one.
func ofEventTrigger(e *dumparchive.Entry) bool {
	return e.Desc == eventTrigger || strings.HasPrefix(e.Tag, eventTrigger+" ") && (e.Desc == "COMMENT" || e.Desc == "SECURITY LABEL")
}

// withoutDropsOfAttached keeps pg_restore --clean from dropping the indexes and keys of partitions that
// belong to one of the table above: pg_dump writes such statements, and the server refuses each of them. They
// go with their tables.
// Source: dumpIndex and dumpConstraint in src/bin/pg_dump/pg_dump.c
func withoutDropsOfAttached(a *archive) (changed bool) {
	attached := make(map[[2]string]bool) // by schema and name
	for n := range a.toc.Entries {
		if e := &a.toc.Entries[n]; e.Desc == "INDEX ATTACH" {
			attached[[2]string{e.Namespace, e.Tag}] = true
		}
	}
	for n := range a.toc.Entries {
		if e := &a.toc.Entries[n]; len(attached) > 0 && e.DropStmt != "" && isAttached(e, attached) {
			e.DropStmt, changed = "", true
		}
	}
	return changed
}

// isAttached reports whether the entry makes one of the indexes. The tag of a key is the table's name and its own, and
// either may have spaces: one that is taken for another one's goes with its table, too.
func isAttached(e *dumparchive.Entry, attached map[[2]string]bool) bool {
	switch e.Desc {
	case "INDEX":
		return attached[[2]string{e.Namespace, e.Tag}]
	case "CONSTRAINT":
		for rest := e.Tag; ; {
			_, after, more := strings.Cut(rest, " ")
			if !more || attached[[2]string{e.Namespace, after}] {
				return more
			}
			rest = after
		}
	}
	return false
}
