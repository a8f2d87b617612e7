package backupmanifest

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"strconv"
)

// File is one entry of the manifest's file list.
// Source: https://www.postgresql.org/docs/18/backup-manifest-files.html
type File struct {
	Path        string `json:"Path"`
	EncodedPath string `json:"Encoded-Path"` // hexadecimal, for what is not UTF-8
	Size        *int64 `json:"Size"`
	Algorithm   string `json:"Checksum-Algorithm"`
	Checksum    string `json:"Checksum"`
}

// Name is the file's path below the data directory, with slashes. That of a file in a
// tablespace begins with pg_tblspc/<oid>/.
func (f File) Name() string {
	if name, err := hex.DecodeString(f.EncodedPath); err == nil && f.Path == "" {
		return string(name)
	}
	return f.Path
}

// Sum returns what the file is compared by. It is an error when the manifest has no
// size or no CRC32C for it.
func (f File) Sum() (Sum, error) {
	if f.Algorithm != "CRC32C" || f.Size == nil {
		return Sum{}, fmt.Errorf("the backup manifest has no CRC32C or no size for it")
	}
	// The four bytes of the checksum come lowest first.
	b, err := hex.DecodeString(f.Checksum)
	if err != nil || len(b) != 4 {
		return Sum{}, fmt.Errorf("the backup manifest has the checksum %q for it: not one", f.Checksum)
	}
	crc := uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16 | uint32(b[3])<<24
	return Sum{Size: *f.Size, CRC: crc}, nil
}

// Handler takes the parts of a manifest, in its order.
type Handler interface {
	// File takes one file of the list.
	File(f File)
	// SystemIdentifier takes that of the cluster, which PostgreSQL 17 and later write.
	SystemIdentifier(id string)
	// WALRanges takes the WAL that a recovery needs, one range for each timeline.
	WALRanges(all []WALRange)
}

// Read reads a backup manifest without holding it and gives its parts to h. It
// reads all of r, and checks the manifest's own checksum.
func Read(r io.Reader, h Handler) error {
	sum := &headHash{hash: sha256.New()}
	r = io.TeeReader(r, sum)
	dec := json.NewDecoder(r)
	checksum, err := decode(dec, h)
	if err != nil {
		return fmt.Errorf("reading the backup manifest: %w", err)
	}
	if _, err := io.Copy(io.Discard, r); err != nil {
		return fmt.Errorf("reading the backup manifest: %w", err)
	}
	if got := hex.EncodeToString(sum.hash.Sum(nil)); got != checksum {
		return errors.New("the backup manifest does not agree with its own checksum")
	}
	return nil
}

func decode(dec *json.Decoder, h Handler) (checksum string, err error) {
	if err := expect(dec, '{'); err != nil {
		return "", err
	}
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return "", err
		}
		switch key {
		case "Files":
			err = decodeFiles(dec, h)
		case "System-Identifier":
			var id json.Number
			err = dec.Decode(&id)
			h.SystemIdentifier(id.String())
		case "WAL-Ranges":
			var all []WALRange
			if err = dec.Decode(&all); err == nil {
				h.WALRanges(all)
			}
		case "Manifest-Checksum":
			err = dec.Decode(&checksum)
		default:
			var other json.RawMessage
			err = dec.Decode(&other)
		}
		if err != nil {
			return "", fmt.Errorf("%s: %w", strconv.Quote(fmt.Sprint(key)), err)
		}
	}
	return checksum, expect(dec, '}')
}

func decodeFiles(dec *json.Decoder, h Handler) error {
	if err := expect(dec, '['); err != nil {
		return err
	}
	for dec.More() {
		var f File
		if err := dec.Decode(&f); err != nil {
			return err
		}
		h.File(f)
	}
	return expect(dec, ']')
}

func expect(dec *json.Decoder, want json.Delim) error {
	token, err := dec.Token()
	if err == nil && token != want {
		err = fmt.Errorf("%v in place of %v", token, want)
	}
	return err
}

// headHash hashes all lines but the last, which holds the manifest's checksum.
type headHash struct {
	hash hash.Hash
	last []byte // what may be the last line
}

func (h *headHash) Write(p []byte) (int, error) {
	h.last = append(h.last, p...)
	if end := bytes.LastIndexByte(bytes.TrimSuffix(h.last, []byte("\n")), '\n') + 1; end > 0 {
		_, _ = h.hash.Write(h.last[:end])
		h.last = append(h.last[:0], h.last[end:]...)
	}
	return len(p), nil
}
