package logical

import "testing"

func TestRoute(t *testing.T) {
	for pathname, want := range map[string]struct {
		kind     kind
		database string
	}{
		"/manifest.json":          {document, ""},
		"/00000-globals.sql":      {globalsScript, ""},
		"/00001-shop.dump":        {dump, "shop"},
		"/00001-a%2Fb.dump":       {dump, "a/b"},
		"/PG_VERSION":             {physical, ""},
		"/base/1/1259":            {physical, ""},
		"/backup_label":           {physical, ""},
		"/notes.txt":              {unknown, ""},
		"/base.txt":               {unknown, ""},
		"/sub/manifest.json":      {unknown, ""},
		"/00001-globals.sql":      {unknown, ""},
		"/00002-globals.sql.dump": {dump, "globals.sql"},
	} {
		kind, database := route(pathname)
		if kind != want.kind || database != want.database {
			t.Errorf("route(%q) = %v, %q", pathname, kind, database)
		}
	}
}

func TestRouteParts(t *testing.T) {
	for pathname, want := range map[string]struct {
		kind     kind
		database string
	}{
		"/00001-a%2Fb/1-pre-data.dump":     {dumpPart, "a/b"},
		"/00001-shop/2-data/others.dump":   {dumpPart, "shop"},
		"/00001-shop/2-data/s.t%2Eu.dump":  {dumpPart, "shop"},
		"/dir/00001-shop/3-post-data.dump": {dumpPart, "shop"},
		"/s.t.dump":                        {dumpPart, ""},
		"/00001-shop/s.t.dump":             {unknown, ""},
	} {
		if kind, database := route(pathname); kind != want.kind || database != want.database {
			t.Errorf("route(%q) = %v, %q", pathname, kind, database)
		}
	}
}
