package logical

import (
	"fmt"
	"log/slog"
	"regexp"
	"slices"
	"strings"

	"github.com/PlakarKorp/integration-postgresql/internal/dumparchive"
	"github.com/PlakarKorp/integration-postgresql/internal/recordname"
)

// moneyType is a column, attribute or domain of type money.
var moneyType = regexp.MustCompile(`(?m)^\s+\S.* money\b| AS money\b`)

// warnOfMoney says before a row is loaded that values of type money may mean something
// else: they are read with lc_monetary=C, and it is not known, or not so, that they were
// written with it.
func (r *restorer) warnOfMoney(a *archive) {
	written := "it does not say with which"
	if r.cluster != nil {
		for _, d := range r.cluster.Databases {
			if name, ok := databaseAt(d.Path); !ok || name != a.database || d.LCMonetary == nil {
				continue
			}
			if slices.Contains([]string{"C", "POSIX", ""}, *d.LCMonetary) {
				return
			}
			written = "they were written with lc_monetary=" + *d.LCMonetary
		}
	}
	if r.options.SchemaOnly || !slices.ContainsFunc(a.toc.Entries, func(e dumparchive.Entry) bool {
		return slices.Contains([]string{"TABLE", "TYPE", "DOMAIN"}, e.Desc) && a.chooses(&e) && moneyType.MatchString(e.Defn)
	}) {
		return
	}
	slog.Warn(fmt.Sprintf("restoring database %q: the snapshot has columns of type money, and %s: they are read with lc_monetary=C, where 12,34 is 1234; if they are wrong, restore with the other one in the URI, ?options=-c%%20lc_monetary=...", a.database, written))
}

// databaseAt is the database whose dump, or directory of parts, is at the path.
func databaseAt(path string) (name string, ok bool) {
	if name, ok = recordname.Database(path); ok {
		return name, true
	}
	return recordname.Database(strings.TrimSuffix(path, "/") + ".dump")
}
