package manifest

import (
	"encoding/json"
	"fmt"
	"io"
)

// Physical is the part of the document of a physical backup, or of one of the WAL, that a
// restore needs.
type Physical struct {
	Connector     string
	DumpFormat    string // "basebackup" or "wal" if it is one
	ServerVersion string // "" when not known
	// SystemIdentifier is the cluster's, "" when not known.
	SystemIdentifier string
	InRecovery       bool // the server was a standby, as far as is known
	Base             *Base
	WAL              *WAL
	Tablespaces      []Tablespace
	// Databases are without what is in them.
	Databases []DatabaseInfo
}

// ReadPhysical reads a document without keeping it: its memory does not grow with
// the number of relations.
func ReadPhysical(r io.Reader) (*Physical, error) {
	var p Physical
	var version int
	var text, id *string
	var standby *bool
	dec := json.NewDecoder(r)
	fields := map[string]any{
		"version": &version, "connector": &p.Connector, "dump_format": &p.DumpFormat, "server_version": &text,
		"cluster_system_identifier": &id, "in_recovery": &standby, "base": &p.Base, "wal": &p.WAL, "tablespaces": &p.Tablespaces,
	}
	err := eachMember(dec, func(key string) error {
		if field, ok := fields[key]; ok {
			return dec.Decode(field)
		}
		if key != "databases" {
			return skip(dec)
		}
		return eachElement(dec, func() error {
			info, err := databaseInfo(dec)
			p.Databases = append(p.Databases, info)
			return err
		})
	})
	if err != nil {
		return nil, fmt.Errorf("reading the manifest: %w", err)
	}
	if err := checkVersion(version); err != nil {
		return nil, err
	}
	p.ServerVersion, p.SystemIdentifier, p.InRecovery = value(text), value(id), value(standby)
	return &p, nil
}

// databaseInfo reads what a restore compares of one database.
func databaseInfo(dec *json.Decoder) (info DatabaseInfo, err error) {
	fields := map[string]any{
		"name": &info.Name, "locale_provider": &info.LocaleProvider, "collate": &info.Collate, "collation_version": &info.CollationVersion,
	}
	err = eachMember(dec, func(key string) error {
		if field, ok := fields[key]; ok {
			return dec.Decode(field)
		}
		if key == "relations" {
			return eachElement(dec, func() error { return skip(dec) })
		}
		return skip(dec)
	})
	return info, err
}

// value is what p points to, or the zero value.
func value[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}
