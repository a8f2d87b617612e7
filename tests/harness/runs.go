package harness

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// The suite is run several times: with servers of each major version, with newer client
// tools, in containers. A test runs in all of these but the last, unless it calls one of
// the functions below to say otherwise. What a run skips is recorded: see recordSkip.

// Long reports whether $PG_LONG is true, as "make test-long" sets it: then every test runs
// in every run, and those that repeat something do it more often.
func Long() bool {
	long, _ := strconv.ParseBool(os.Getenv("PG_LONG"))
	return long
}

// Count returns how often, or how much of, something a test does: long in a long run, short
// in every other one.
func Count(short, long int) int {
	if Long() {
		return long
	}
	return short
}

// LongOnly is for a test that takes minutes: it is skipped unless the run is a long one.
// inPlace names what the other runs have in its place.
func LongOnly(tb testing.TB, inPlace string) {
	tb.Helper()
	if !Long() {
		skip(tb, "it is a long one; in its place: "+inPlace, "PG_LONG=true")
	}
}

// LowestMajorOnly is for a test that neither the server's version nor the client tools make
// a difference to: it is skipped unless the run is of the lowest version there is, and
// PG_TOOLS is not set. why says what makes all versions the same.
func LowestMajorOnly(tb testing.TB, why string) {
	tb.Helper()
	onlyMajors(tb, why, lowest)
	OwnToolsOnly(tb, why)
}

// HighestMajorOnly is LowestMajorOnly with the highest version there is, whose run is shorter.
func HighestMajorOnly(tb testing.TB, why string) {
	tb.Helper()
	onlyMajors(tb, why, func(majors []int) []int { return majors[len(majors)-1:] })
	OwnToolsOnly(tb, why)
}

// LowestMajorAnyTools is LowestMajorOnly for a test that the client tools do make a
// difference to.
func LowestMajorAnyTools(tb testing.TB, why string) {
	tb.Helper()
	onlyMajors(tb, why, lowest)
}

// LowestAndHighestMajorOnly is for a test that takes minutes and that hardly depends on the
// version: it is skipped with the versions in between.
func LowestAndHighestMajorOnly(tb testing.TB, why string) {
	tb.Helper()
	onlyMajors(tb, why, func(majors []int) []int { return []int{majors[0], majors[len(majors)-1]} })
}

// OwnToolsOnly is for a test that newer client tools than the server's make no difference to:
// it is skipped when PG_TOOLS is set. why says what makes them the same.
func OwnToolsOnly(tb testing.TB, why string) {
	tb.Helper()
	if os.Getenv("PG_TOOLS") != "" && !Long() {
		skip(tb, why, "no PG_TOOLS")
	}
}

// OnlyMajor is for a test that starts servers of one version, whatever PG_MAJOR is: it is
// skipped when that asks for another one, in a long run too. why says what needs it.
func OnlyMajor(tb testing.TB, major int, why string) {
	tb.Helper()
	if !slices.Contains(Majors(), major) {
		skip(tb, why, fmt.Sprintf("an installed PostgreSQL %d", major))
	}
	if want := os.Getenv("PG_MAJOR"); want != "" && want != strconv.Itoa(major) {
		skip(tb, why, fmt.Sprintf("PG_MAJOR=%d", major))
	}
}

func lowest(majors []int) []int { return majors[:1] }

// onlyMajors skips a test unless the run's version is one of those that choose picks from
// the installed ones, lowest first, or the run is a long one.
func onlyMajors(tb testing.TB, why string, choose func(majors []int) []int) {
	tb.Helper()
	majors := Majors()
	major, err := DefaultMajor()
	must(tb, err)
	if len(majors) == 0 || Long() || slices.Contains(choose(majors), major) {
		return
	}
	skip(tb, why, fmt.Sprintf("PG_MAJOR=%d", choose(majors)[0]))
}

// skip skips a test, and records that. needs is what runs it.
func skip(tb testing.TB, why, needs string) {
	tb.Helper()
	var given []string
	for _, name := range []string{"PG_MAJOR", "PG_TOOLS"} {
		if value := os.Getenv(name); value != "" {
			given = append(given, name+"="+value)
		}
	}
	note := fmt.Sprintf("skipped with %q, because %s; %s runs it", strings.Join(given, " "), why, needs)
	must(tb, recordSkip(tb.Name()+" was "+note))
	tb.Skip(note)
}

// recordSkip adds a line to $PG_SKIPPED, if that names a file: without -v, go test says
// nothing of what it skips.
func recordSkip(line string) (err error) {
	name := os.Getenv("PG_SKIPPED")
	if name == "" {
		return nil
	}
	file, err := os.OpenFile(name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600) //nolint:gosec // what the caller names
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	_, err = fmt.Fprintln(file, line)
	return err
}
