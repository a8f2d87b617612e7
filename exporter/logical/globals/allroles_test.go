package globals

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/PlakarKorp/integration-postgresql/manifest"
)

// What the catalogue has as a list is one in the statement, and every other value a text.
func TestValueOf(t *testing.T) {
	for _, c := range []struct{ name, value, want string }{
		{"work_mem", "1MB", `'1MB'`},
		{"app.list", `"a", b`, `'"a", b'`},
		{"DateStyle", "ISO, DMY", `'ISO, DMY'`},
		{"search_path", `"$user", public`, `'$user', 'public'`},
		{"search_path", `"it's \ ""odd"", name",x ,"y"`, `E'it''s \\ "odd", name', 'x', 'y'`},
		{"search_path", `""`, `''`},
		{"Search_Path", ``, `''`},
		{"search_path", `"not closed`, `'not closed'`},
	} {
		if got := valueOf(manifest.Setting{Name: c.name, Value: c.value}); got != c.want {
			t.Errorf("%s = %s: %s, want %s", c.name, c.value, got, c.want)
		}
	}
}

func TestLibrariesOf(t *testing.T) {
	for _, c := range []struct {
		name, value string
		want        []string
	}{
		{"session_preload_libraries", `auto_explain, "$libdir/x"`, []string{"auto_explain", "$libdir/x"}},
		{"local_preload_libraries", `a, "$libdir/plugins/b"`, []string{"$libdir/plugins/a", "$libdir/plugins/b"}},
		{"search_path", "a", nil},
	} {
		if diff := cmp.Diff(c.want, librariesOf(manifest.Setting{Name: c.name, Value: c.value})); diff != "" {
			t.Errorf("%s: -want +got\n%s", c.name, diff)
		}
	}
}
