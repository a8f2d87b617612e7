package check

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/PlakarKorp/integration-postgresql/manifest"
)

// ReportVersion is the version of the report. Added fields do not change it.
const ReportVersion = 1

// Report is the result of a proof, as report.schema.json describes it.
type Report struct {
	Version int `json:"version"`
	// Passed says that all that the level asks for was done, and right.
	Passed bool      `json:"passed"`
	Level  string    `json:"level"`
	Began  time.Time `json:"began"`
	Ended  time.Time `json:"ended"`
	// Machine is the host name of where it ran.
	Machine  string   `json:"machine"`
	Snapshot Snapshot `json:"snapshot"`
	// Base is the base backup that the snapshot's WAL was added to, Recovery how far that led;
	// both are nil for other snapshots.
	Base     *Snapshot `json:"base,omitempty"`
	Recovery *Recovery `json:"recovery,omitempty"`
	// ServerVersion is that of the scratch server, nil when none was started.
	ServerVersion *string `json:"server_version"`
	// Configuration is "backup" or "generated", nil when none was needed.
	Configuration *string `json:"configuration"`
	Steps         []Step  `json:"steps"`
	// Databases are those that were looked into, by name.
	Databases []Database `json:"databases"`
	// Problems are why it did not pass, Warnings what somebody should know.
	Problems []string `json:"problems"`
	Warnings []string `json:"warnings"`

	mu       sync.Mutex         // guards what several databases add to at the same time
	document *manifest.Document // nil before it came
}

// Snapshot is what the snapshot's manifest.json says; nil for what is not known.
type Snapshot struct {
	// Kind is "physical", "logical" or "wal".
	Kind             *string    `json:"kind"`
	CreatedAt        *time.Time `json:"created_at"`
	Host             *string    `json:"host"`
	Port             *int       `json:"port"`
	ServerVersion    *string    `json:"server_version"`
	SystemIdentifier *string    `json:"system_identifier"`
	// ManifestSHA256 is the SHA-256 of manifest.json: with it, the snapshot is known again.
	ManifestSHA256 *string `json:"manifest_sha256"`
}

// Recovery is how far WAL was recovered.
type Recovery struct {
	// Target is the option that was given for it, like "target_lsn=1/4A7F1C8"; nil for the end of
	// the WAL.
	Target *string `json:"target"`
	// Timeline is the last one that was followed.
	Timeline uint32 `json:"timeline"`
	// LSN is where the last record ends that was recovered.
	LSN *string `json:"lsn"`
	// Time is when the last transaction ended that was recovered, nil if there was none.
	Time *time.Time `json:"time"`
}

// Step is a part of the proof.
type Step struct {
	Name    string  `json:"name"` // "restore", "start", "read", "amcheck"
	Seconds float64 `json:"seconds"`
}

// Database is what was found in a database.
type Database struct {
	Name string `json:"name"`
	// Rows is the sum of those of the tables.
	Rows         int64   `json:"rows"`
	LargeObjects int64   `json:"large_objects"`
	Bytes        int64   `json:"bytes"` // as COPY writes them
	Seconds      float64 `json:"seconds"`
	Tables       []Table `json:"tables"`
}

// Table is a table or materialized view whose rows were read.
type Table struct {
	Schema string `json:"schema"`
	Name   string `json:"name"`
	Rows   int64  `json:"rows"`
	// Estimate is how many rows there were about when the snapshot was made, nil when not
	// known.
	Estimate *int64 `json:"estimate"`
	// Expected is how many rows the snapshot's dump holds, nil for a physical snapshot.
	Expected *int64 `json:"expected,omitempty"`
}

func newReport(level string) *Report {
	machine, _ := os.Hostname()
	return &Report{
		Version: ReportVersion, Level: level, Began: time.Now().UTC(), Machine: machine,
		Steps: []Step{}, Databases: []Database{}, Problems: []string{}, Warnings: []string{},
	}
}

// problem notes why the proof does not pass.
func (r *Report) problem(err error) {
	if err == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if text := plain(err.Error()); !slices.Contains(r.Problems, text) {
		r.Problems = append(r.Problems, text)
	}
}

// warn notes what somebody should know.
func (r *Report) warn(text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.Warnings = append(r.Warnings, plain(text))
}

func (r *Report) step(name string, began time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.Steps = append(r.Steps, Step{Name: name, Seconds: seconds(began)})
}

func (r *Report) add(d Database) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.Databases = append(r.Databases, d)
}

func seconds(began time.Time) float64 {
	return float64(time.Since(began).Milliseconds()) / 1000
}

// plain is text for a report: valid and in one piece.
func plain(text string) string { return strings.TrimSpace(strings.ToValidUTF8(text, "\uFFFD")) }

// end completes the report.
func (r *Report) end() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.Ended = time.Now().UTC()
	r.Passed = len(r.Problems) == 0
	slices.SortFunc(r.Databases, func(a, b Database) int { return strings.Compare(a.Name, b.Name) })
}

// write puts the report where path says, whole or not at all.
func (r *Report) write(path string) (err error) {
	if path == "" {
		return nil
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("option \"report\": %w", err)
		}
	}()
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".plakar-report-")
	if err != nil {
		return err
	}
	_, err = f.Write(append(text, '\n'))
	const mode = 0o644 // there is no secret in it
	if err = errors.Join(err, f.Chmod(mode), f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}
