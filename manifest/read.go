package manifest

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// Summary is the part of a document that a restore plans with.
type Summary struct {
	Version          int
	Connector        string
	DumpFormat       string
	ServerVersionNum *int
	Files            []File
	// Databases are the names in the databases list, more than what was dumped
	// when all databases were selected: see Files.
	Databases []string
	// There are those of them that the server listed when all dumps had ended: none of these
	// was dropped during the backup.
	There []string
}

// Read decodes a document. Unknown fields are ignored, another version is an
// error. It holds the whole document in memory, see [ReadSummary].
func Read(r io.Reader) (*Document, error) {
	var d Document
	if err := json.NewDecoder(r).Decode(&d); err != nil {
		return nil, fmt.Errorf("reading the manifest: %w", err)
	}
	if err := checkVersion(d.Version); err != nil {
		return nil, err
	}
	return &d, nil
}

func checkVersion(version int) error {
	if version != Version {
		return fmt.Errorf("reading the manifest: its version is %d, only version %d is understood", version, Version)
	}
	return nil
}

// ReadSummary reads a document without keeping it: its memory does not grow with
// the number of relations.
func ReadSummary(r io.Reader) (*Summary, error) {
	var s Summary
	dec := json.NewDecoder(r)
	err := eachMember(dec, func(key string) error {
		switch key {
		case "version":
			return dec.Decode(&s.Version)
		case "connector":
			return dec.Decode(&s.Connector)
		case "dump_format":
			return dec.Decode(&s.DumpFormat)
		case "server_version_num":
			return dec.Decode(&s.ServerVersionNum)
		case "files":
			return dec.Decode(&s.Files)
		case "databases":
			return eachElement(dec, func() error {
				var name string
				var owner *string
				err := databaseName(dec, &name, &owner)
				s.Databases = append(s.Databases, name)
				if owner != nil { // every database has one
					s.There = append(s.There, name)
				}
				return err
			})
		}
		return skip(dec)
	})
	if err != nil {
		return nil, fmt.Errorf("reading the manifest: %w", err)
	}
	if err := checkVersion(s.Version); err != nil {
		return nil, err
	}
	return &s, nil
}

func databaseName(dec *json.Decoder, name *string, owner **string) error {
	return eachMember(dec, func(key string) error {
		switch key {
		case "name":
			return dec.Decode(name)
		case "owner":
			return dec.Decode(owner)
		case "relations":
			return eachElement(dec, func() error { return skip(dec) })
		}
		return skip(dec)
	})
}

// skip passes over one value, which is held for a moment.
func skip(dec *json.Decoder) error {
	var value json.RawMessage
	return dec.Decode(&value)
}

// eachMember calls f with every key of an object, f consumes the value.
func eachMember(dec *json.Decoder, f func(key string) error) error {
	token, err := dec.Token()
	if err != nil {
		return unexpected(err)
	}
	if token != json.Delim('{') {
		return fmt.Errorf("an object was expected at byte %d", dec.InputOffset())
	}
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return unexpected(err)
		}
		if err := f(key.(string)); err != nil {
			return unexpected(err)
		}
	}
	_, err = dec.Token()
	return unexpected(err)
}

// eachElement calls f for every element of a list or null, f consumes it.
func eachElement(dec *json.Decoder, f func() error) error {
	token, err := dec.Token()
	if err != nil || token == nil {
		return unexpected(err)
	}
	if token != json.Delim('[') {
		return fmt.Errorf("a list was expected at byte %d", dec.InputOffset())
	}
	for dec.More() {
		if err := f(); err != nil {
			return err
		}
	}
	_, err = dec.Token()
	return unexpected(err)
}

// unexpected turns the end of the input into an error that says so.
func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
