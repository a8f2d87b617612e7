package wal

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path"
	"strconv"

	"github.com/dustin/go-humanize"

	"github.com/PlakarKorp/integration-postgresql/internal/conninfo"
	"github.com/PlakarKorp/integration-postgresql/internal/options"
	"github.com/PlakarKorp/integration-postgresql/internal/plugin"
	"github.com/PlakarKorp/integration-postgresql/internal/tempfile"
)

// Importer backs up the WAL of a cluster. It implements plugin.NoExcludes.
type Importer struct {
	protocol string
	options  options.WAL
	info     conninfo.Info
	host     string        // in the origin
	secrets  *tempfile.Dir // PEM files
	spooled  *tempfile.Dir

	answers late
}

var _ plugin.NoExcludes = (*Importer)(nil)

// New returns the importer that the settings describe. It connects to nothing.
func New(protocol string, settings map[string]string, environ []string) (plugin.Source, error) {
	o, err := options.DecodeWAL(settings)
	if err != nil {
		return nil, err
	}
	info, err := conninfo.Parse(o.Connection, environ)
	if err != nil {
		return nil, err
	}
	if err := o.CheckSelection(info.Database()); err != nil {
		return nil, err
	}
	host, err := originHost(info.Host())
	if err != nil {
		return nil, err
	}
	return &Importer{
		protocol: protocol, options: o, info: info, host: host,
		secrets: tempfile.New(""), spooled: tempfile.New(o.SpoolDir),
	}, nil
}

// originHost is the name of this machine for a server on it: several machines may back up
// to one store, and the previous snapshot is found by the origin.
func originHost(host string) (string, error) {
	ip := net.ParseIP(host)
	if host != "localhost" && !path.IsAbs(host) && !ip.IsLoopback() {
		return host, nil
	}
	name, err := os.Hostname()
	if err != nil {
		return "", fmt.Errorf("the name of this machine, which tells its servers from those of others: %w", err)
	}
	return name, nil
}

// Origin implements plugin.Source.
func (i *Importer) Origin() string {
	return net.JoinHostPort(i.host, strconv.Itoa(i.info.Port())) + "/" + i.options.Slot
}

// Type implements plugin.Source.
func (i *Importer) Type() string { return i.protocol }

// Ping implements plugin.Source: it connects, and says how much WAL the slot retains.
func (i *Importer) Ping(ctx context.Context) error {
	s, err := i.look(ctx)
	if err != nil {
		return err
	}
	defer s.close(ctx)
	if err := s.readSlot(ctx); err != nil {
		return err
	}
	text := fmt.Sprintf("the replication slot %s does not exist: the first backup creates it", s.name)
	switch {
	case s.slot.Exists && s.slot.Restart == 0:
		text = fmt.Sprintf("the replication slot %s keeps no WAL: it was invalidated", s.name)
	case s.slot.Exists:
		text = fmt.Sprintf("the replication slot %s retains %s of WAL (%d bytes), from %s on", s.name, humanize.IBytes(s.retained()), s.retained(), s.slot.Restart)
	}
	slog.Info(text)
	return nil
}

// RefuseExcludes implements plugin.NoExcludes.
func (i *Importer) RefuseExcludes() error {
	return errors.New("a backup of the WAL has all of its segments: leave -ignore and -ignore-file out")
}

// Finish implements plugin.Source: without any one of its files the WAL has a gap.
func (i *Importer) Finish(failed []plugin.RecordError) error {
	errs := []error{i.answers.error()}
	for _, f := range failed {
		errs = append(errs, fmt.Errorf("%s: %w", f.Pathname, f.Err))
	}
	return errors.Join(errs...)
}

// Close implements plugin.Source.
func (i *Importer) Close(context.Context) error {
	return errors.Join(i.secrets.Close(), i.spooled.Close())
}
