package check

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"

	"github.com/PlakarKorp/integration-postgresql/exporter/physical"
	"github.com/PlakarKorp/integration-postgresql/internal/wal"
	"github.com/PlakarKorp/integration-postgresql/manifest"
)

// What a snapshot can be.
const (
	kindPhysical = "physical"
	kindLogical  = "logical"
	kindWAL      = "wal"
)

// kindOf tells by the name of a snapshot's first entry. WAL may lie in any directory: where a base
// backup waits for some, what is nothing else is taken for that.
func kindOf(pathname string, waiting bool) string {
	name := strings.TrimPrefix(pathname, "/")
	switch {
	case len(name) > 5 && name[5] == '-' && strings.Trim(name[:5], "0123456789") == "":
		return kindLogical
	case physical.IsWAL(pathname), waiting && pathname != versionPath:
		return kindWAL
	}
	return kindPhysical
}

// choose finds out what the snapshot is: the first name tells.
func (e *Exporter) choose(first *record) error {
	p, err := e.place()
	if err != nil {
		return err
	}
	base, held, errBase := p.findPrepared()
	kind := kindOf(first.Pathname, base != nil)
	e.report.Snapshot.Kind = &kind
	if kind == kindWAL && errBase != nil {
		return errBase
	}
	if base != nil && (kind != kindWAL || e.options.Prepare) {
		base, _ = nil, held.Close()
	}
	if err := e.checkKind(kind, base); err != nil {
		return err
	}
	c := &check{options: &e.options, report: e.report, progress: new(progress), make: func() (*scratch, error) {
		return e.make(p, base, held)
	}}
	switch kind {
	case kindLogical:
		e.way, err = newLogicalWay(e.ctx, c, first)
	case kindWAL:
		e.way, err = newWALWay(e.ctx, c, base)
	default:
		e.way, err = newPhysicalWay(e.ctx, c, first)
	}
	return err
}

// make makes the scratch directory, of the base backup that waits for WAL if there is one.
func (e *Exporter) make(p place, base *prepared, held *os.File) (_ *scratch, err error) {
	if base != nil {
		e.scratch, err = adoptPrepared(p, held)
		return e.scratch, err
	}
	if err := e.clear(p); err != nil {
		return nil, err
	}
	e.scratch, err = makeScratch(p)
	return e.scratch, err
}

// readManifest reads manifest.json, whose content stays to be restored.
func (e *Exporter) readManifest(r *record) error {
	text, err := io.ReadAll(r.content)
	if err != nil {
		return err
	}
	r.content = bytes.NewReader(text)
	document, err := manifest.Read(bytes.NewReader(text))
	isWAL := e.report.Snapshot.Kind != nil && *e.report.Snapshot.Kind == kindWAL
	if isWAL && (err != nil || document.DumpFormat != wal.DumpFormat) {
		return nil //nolint:nilerr // WAL may come with somebody else's file of that name
	}
	if err != nil {
		return err
	}
	sum := sha256.Sum256(text)
	hash := hex.EncodeToString(sum[:])
	s := &e.report.Snapshot
	s.ManifestSHA256, s.CreatedAt, s.Host, s.Port = &hash, &document.CreatedAt, &document.Host, &document.Port
	s.ServerVersion, s.SystemIdentifier = document.ServerVersion, document.ClusterSystemIdentifier
	if !isWAL { // what is in the databases says that of the base backup
		e.report.document = document
	}
	return nil
}

// checkKind refuses options that are not for what the snapshot is. base is the base backup that
// waits for WAL.
func (e *Exporter) checkKind(kind string, base *prepared) error {
	o := &e.options
	target := o.RecoveryTarget.Option()
	switch {
	case kind == kindLogical && o.Prepare:
		return errors.New("option \"prepare\": the snapshot is a logical one, to which no WAL is added: leave it out")
	case kind == kindLogical && target != "":
		return fmt.Errorf("option %q: the snapshot is a logical one, of one moment: leave it out", target)
	case kind == kindWAL && o.Prepare:
		return errors.New("option \"prepare\": the snapshot is WAL: prepare the base backup first, then leave the option out")
	case kind == kindWAL && base == nil:
		return fmt.Errorf("the snapshot is WAL, and no base backup waits for it in %s\nhint: %s", e.parent, e.howTo(""))
	case kind == kindPhysical && o.NeedsWAL() != "":
		return fmt.Errorf("option %q: the snapshot is a base backup, and only WAL leads on from there\nhint: %s", o.NeedsWAL(), e.howTo("-o "+o.NeedsWAL()+"=... "))
	}
	return nil
}

// howTo are the two commands that check a base backup with WAL.
func (e *Exporter) howTo(with string) string {
	return e.command("-o prepare=true BASE_BACKUP") + ", and then " + e.command(with+"WAL")
}

// command is plakar's with the same destination.
func (e *Exporter) command(rest string) string {
	return "plakar restore -to " + e.protocol + "://" + e.parent + " " + rest
}

// clear makes room for a base backup that is to wait for WAL.
func (e *Exporter) clear(p place) error {
	if !e.options.Prepare {
		return nil
	}
	text, err := p.removePrepared()
	if text != "" && err == nil {
		slog.Warn("no WAL was restored to what was waiting for it, which is removed: " + text)
	}
	return err
}
