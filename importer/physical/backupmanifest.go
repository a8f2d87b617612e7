package physical

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

// manifestFile is one entry of the manifest's file list.
// Source: https://www.postgresql.org/docs/18/backup-manifest-files.html
type manifestFile struct {
	Path        string `json:"Path"`
	EncodedPath string `json:"Encoded-Path"` // hexadecimal, for what is not UTF-8
	Size        *int64 `json:"Size"`
	Algorithm   string `json:"Checksum-Algorithm"`
	Checksum    string `json:"Checksum"`
}

func (f manifestFile) name() string {
	if name, err := hex.DecodeString(f.EncodedPath); err == nil && f.Path == "" {
		return string(name)
	}
	return f.Path
}

func (f manifestFile) sum() (fileSum, error) {
	if f.Algorithm != "CRC32C" || f.Size == nil {
		return fileSum{}, fmt.Errorf("the backup manifest has no CRC32C or no size for it")
	}
	// The four bytes of the checksum come lowest first.
	b, err := hex.DecodeString(f.Checksum)
	if err != nil || len(b) != 4 {
		return fileSum{}, fmt.Errorf("the backup manifest has the checksum %q for it: not one", f.Checksum)
	}
	crc := uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16 | uint32(b[3])<<24
	return fileSum{size: *f.Size, crc: crc}, nil
}

// readManifest reads a backup manifest without holding it and gives its parts to c. It
// reads all of r, and checks the manifest's own checksum.
func readManifest(r io.Reader, c *verifier) error {
	sum := &headHash{hash: sha256.New()}
	r = io.TeeReader(r, sum)
	dec := json.NewDecoder(r)
	checksum, err := decodeManifest(dec, c)
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

func decodeManifest(dec *json.Decoder, c *verifier) (checksum string, err error) {
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
			err = decodeFiles(dec, c)
		case "System-Identifier":
			var id json.Number
			err = dec.Decode(&id)
			c.checkSystemID(id.String())
		case "WAL-Ranges":
			var all []walRange
			if err = dec.Decode(&all); err == nil {
				c.checkWAL(all)
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

func decodeFiles(dec *json.Decoder, c *verifier) error {
	if err := expect(dec, '['); err != nil {
		return err
	}
	for dec.More() {
		var f manifestFile
		if err := dec.Decode(&f); err != nil {
			return err
		}
		c.compare(f)
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
