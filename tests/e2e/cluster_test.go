// Package e2e runs the package as its users do: through the plakar command,
// against real servers.
package e2e

import (
	"slices"
	"testing"

	"github.com/PlakarKorp/integration-postgresql/tests/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }

// The main job: a whole cluster, with everything that is hard to carry over,
// into a snapshot and out of it into an empty server.
func TestClusterRoundTrip(t *testing.T) {
	t.Parallel()
	harness.AlsoInContainers(t)
	src, dst := harness.Start(t), harness.Start(t)
	harness.Seed(t, src)
	p := harness.NewPlakar(t)
	p.SourceAdd("mypg", src.URL(""), src.BinDirOption())
	p.DestinationAdd("mypgdst", dst.URL(""), "recreate=true", dst.BinDirOption())

	snapshot := p.MustBackup("@mypg")
	paths := p.Ls(snapshot)
	described := []string{"/manifest.json", "/00000-cluster.json", "/00000-globals.sql"}
	for _, want := range described {
		if !slices.Contains(paths, want) {
			t.Errorf("%s is not in the snapshot: %q", want, paths)
		}
	}
	if got, want := len(paths)-len(described), len(src.Databases(t)); got != want {
		t.Errorf("%d dumps for %d databases: %q", got, want, paths)
	}
	p.MustRestore("@mypgdst", snapshot)
	harness.CompareClusters(t, src, dst)
	if err := p.LeftBehind(); err != nil {
		t.Error(err)
	}
}
