package physical

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/PlakarKorp/integration-postgresql/manifest"
)

// checkTablespaces compares the option "tablespaces" with what the snapshot says that
// there is. Snapshots made before it had the OIDs cannot be asked for names.
func (r *restore) checkTablespaces() error {
	known := false
	for _, t := range r.snapshot.Tablespaces {
		known = known || t.OID != 0
	}
	if !known {
		return r.checkOIDs()
	}
	for which := range r.plan.tablespaces {
		if !slices.ContainsFunc(r.snapshot.Tablespaces, func(t manifest.Tablespace) bool { return named(t, which) }) {
			return r.noTablespace(which)
		}
	}
	return nil
}

// checkOIDs is for a snapshot whose manifest.json has no OIDs: its names and locations lead
// nowhere.
func (r *restore) checkOIDs() error {
	for which := range r.plan.tablespaces {
		if _, err := strconv.ParseUint(which, 10, 32); err != nil {
			return fmt.Errorf("option \"tablespaces\": the snapshot does not say which tablespace is %q, since it was made before its manifest.json had the OIDs, or by a role that may not read them: "+
				"use OIDs, the names in the snapshot's directory %s", which, tablespaceDir)
		}
	}
	return nil
}

// named reports whether which is the name, OID or location of a tablespace that is not a
// built-in one.
func named(t manifest.Tablespace, which string) bool {
	if t.Name == "pg_default" || t.Name == "pg_global" {
		return false
	}
	return t.Name == which || t.OID != 0 && strconv.Itoa(int(t.OID)) == which || t.Location != nil && *t.Location == which
}

func (r *restore) noTablespace(which string) error {
	var there []string
	for _, t := range r.snapshot.Tablespaces {
		if t.OID != 0 && named(t, t.Name) {
			there = append(there, fmt.Sprintf("%s (%d)", t.Name, t.OID))
		}
	}
	if len(there) == 0 {
		there = slices.Sorted(maps.Keys(r.links))
		return fmt.Errorf("option \"tablespaces\": the snapshot has no tablespace with the OID %q, and does not say the names of those that it has; their OIDs are: %s", which, list(there))
	}
	return fmt.Errorf("option \"tablespaces\": the snapshot has no tablespace %q; it has: %s", which, list(there))
}

func list(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

// bind returns the directory that the options give a tablespace, nil for none.
func (r *restore) bind(oid string) (*directory, error) {
	ways := []string{oid}
	for _, t := range r.snapshot.Tablespaces {
		if t.OID != 0 && strconv.Itoa(int(t.OID)) == oid {
			ways = append(ways, t.Name)
			if t.Location != nil {
				ways = append(ways, *t.Location)
			}
		}
	}
	for _, which := range ways {
		d := r.plan.tablespaces[which]
		switch {
		case d == nil:
		case r.bound[oid] != nil && r.bound[oid] != d:
			return nil, fmt.Errorf("option \"tablespaces\": the tablespace %s has two directories, %s and %s: give it one", oid, r.bound[oid].path, d.path)
		default:
			r.bound[oid] = d
		}
	}
	return r.bound[oid], nil
}

// checkBound is for the end: every directory has its tablespace.
func (r *restore) checkBound() error {
	for which, d := range r.plan.tablespaces {
		if !slices.Contains(slices.Collect(maps.Values(r.bound)), d) {
			return r.noTablespace(which)
		}
	}
	return nil
}

// checkLinks is for the end: every tablespace that there are files of has its link. Without it
// a server starts, and does not find them. A tablespace that was made during the backup
// is in manifest.json only, and comes with the WAL.
func (r *restore) checkLinks() error {
	wanted := maps.Clone(r.check.apart)
	for _, t := range r.snapshot.Tablespaces {
		if oid := strconv.Itoa(int(t.OID)); t.OID != 0 && named(t, t.Name) && r.exists(tablespaceDir+"/"+oid) {
			wanted[oid] = true
		}
	}
	for _, oid := range slices.Sorted(maps.Keys(wanted)) {
		if !r.links[oid] {
			return fmt.Errorf("the link of a tablespace is missing: %q", linkDir+"/"+oid)
		}
	}
	return nil
}
