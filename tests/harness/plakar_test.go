package harness_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/PlakarKorp/integration-postgresql/tests/harness"
)

func TestPlakar(t *testing.T) {
	p := harness.NewBarePlakar(t)
	dir := t.TempDir()
	file := filepath.Join(dir, "a b.txt")
	if err := os.WriteFile(file, []byte("content"), 0o600); err != nil {
		t.Fatal(err)
	}
	p.SourceAdd("directory", "fs://"+dir)
	id := p.MustBackup("@directory")
	if got := p.Ls(id); !slices.Equal(got, []string{file}) {
		t.Errorf("ls: %q", got)
	}
	if got := p.Cat(id, file); string(got) != "content" {
		t.Errorf("cat: %q", got)
	}
	if got := p.Snapshots(); !slices.Equal(got, []string{id}) {
		t.Errorf("snapshots: %q, want %s", got, id)
	}
	to := filepath.Join(dir, "to")
	p.MustRestore(to, id)
	if got, err := os.ReadFile(filepath.Join(to, "a b.txt")); string(got) != "content" {
		t.Errorf("restored: %q, %v", got, err)
	}
	if id, result := p.Backup("@nowhere"); id != "" || result.ExitCode != 1 {
		t.Errorf("unknown source: snapshot %q, exit status %d", id, result.ExitCode)
	}
	if err := p.LeftBehind(); err != nil {
		t.Error(err)
	}
}
