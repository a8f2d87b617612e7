package physical

import (
	"context"
	"errors"
	"fmt"

	"github.com/PlakarKorp/integration-postgresql/internal/conninfo"
	"github.com/PlakarKorp/integration-postgresql/internal/options"
	"github.com/PlakarKorp/integration-postgresql/internal/plugin"
	"github.com/PlakarKorp/integration-postgresql/internal/tempfile"
)

// Importer backs up a cluster. It implements plugin.NoExcludes.
type Importer struct {
	protocol string
	options  options.Physical
	info     conninfo.Info
	secrets  *tempfile.Dir // PEM files
	spooled  *tempfile.Dir
}

var _ plugin.NoExcludes = (*Importer)(nil)

// New returns the importer that the settings describe. It connects to nothing.
func New(protocol string, settings map[string]string, environ []string) (plugin.Source, error) {
	o, err := options.DecodePhysical(settings)
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
	return &Importer{
		protocol: protocol, options: o, info: info,
		secrets: tempfile.New(""), spooled: tempfile.New(o.SpoolDir),
	}, nil
}

// Origin implements plugin.Source.
func (i *Importer) Origin() string { return i.info.Origin() }

// Type implements plugin.Source.
func (i *Importer) Type() string { return i.protocol }

// Ping implements plugin.Source: it connects, and looks for pg_basebackup where
// that is needed.
func (i *Importer) Ping(ctx context.Context) error {
	s, err := i.look(ctx)
	if err != nil {
		return err
	}
	defer s.close(ctx)
	_, err = i.chooseMethod(ctx, s)
	return err
}

// RefuseExcludes implements plugin.NoExcludes.
func (i *Importer) RefuseExcludes() error {
	return errors.New("a physical backup is always of the whole cluster: leave -ignore and -ignore-file out")
}

// Finish implements plugin.Source: without any one of its files a cluster is not whole.
func (i *Importer) Finish(failed []plugin.RecordError) error {
	errs := make([]error, 0, len(failed))
	for _, f := range failed {
		errs = append(errs, fmt.Errorf("%s: %w", f.Pathname, f.Err))
	}
	return errors.Join(errs...)
}

// Close implements plugin.Source.
func (i *Importer) Close(context.Context) error {
	return errors.Join(i.secrets.Close(), i.spooled.Close())
}
