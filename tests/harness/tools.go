package harness

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
)

// PackageVersion is the version of the package that the tests install.
const PackageVersion = "v0.0.1-test"

// PlakarBinary returns the plakar command to drive: $PLAKAR, else .cache/plakar,
// which is built from tests/plakar when it is missing.
func PlakarBinary(tb testing.TB) string {
	tb.Helper()
	path, err := plakarBinary()
	must(tb, err)
	return path
}

var plakarBinary = sync.OnceValues(func() (string, error) {
	if path := os.Getenv("PLAKAR"); path != "" {
		return exec.LookPath(path)
	}
	path := filepath.Join(Root(), ".cache", "plakar")
	unlock, err := buildLock()
	if err != nil {
		return "", err
	}
	defer unlock()
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	return path, build("sh", "tests/setup/plakar.sh")
})

// Package returns the package to install: $PLAKAR_PKG, else what "make
// package" gives, once per process.
func Package(tb testing.TB) string {
	tb.Helper()
	PlakarBinary(tb)
	path, err := pluginPackage()
	must(tb, err)
	return path
}

var pluginPackage = sync.OnceValues(func() (string, error) {
	if path := os.Getenv("PLAKAR_PKG"); path != "" {
		return filepath.Abs(path)
	}
	unlock, err := buildLock()
	if err != nil {
		return "", err
	}
	defer unlock()
	plakar, err := plakarBinary()
	if err != nil {
		return "", err
	}
	name := fmt.Sprintf("postgresql_%s_%s_%s.ptar", PackageVersion, runtime.GOOS, runtime.GOARCH)
	return filepath.Join(Root(), name), build("make", "-s", "package", "VERSION="+PackageVersion, "PLAKAR="+plakar,
		"GOOS="+runtime.GOOS, "GOARCH="+runtime.GOARCH)
})

// buildLock keeps test processes from building the same thing at once.
func buildLock() (unlock func(), err error) {
	cache := filepath.Join(Root(), ".cache")
	if err := os.MkdirAll(cache, 0o755); err != nil { //nolint:gosec // see template
		return nil, err
	}
	lock, err := lockFile(filepath.Join(cache, "build.lock"))
	if err != nil {
		return nil, err
	}
	return func() { _ = lock.Close() }, nil
}

func build(name string, args ...string) error {
	cmd := exec.Command(name, args...) //nolint:gosec // our own make and scripts
	cmd.Dir = Root()
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, out)
	}
	return nil
}
