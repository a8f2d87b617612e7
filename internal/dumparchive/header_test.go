package dumparchive

import (
	"bytes"
	"strings"
	"testing"
)

func number(n int) string { return "\x00" + string([]byte{byte(n), byte(n >> 8), 0, 0}) }

// after is what follows the time.
var after = number(4) + "shop" + number(5) + "17.11" + number(4) + "18.6"

// made is 2026-11-21 15:04:24, in summer.
var made = number(24) + number(4) + number(15) + number(21) + number(10) + number(126) + number(1)

const (
	v15 = "PGDMP\x01\x0e\x00\x04\x08\x01"
	v17 = "PGDMP\x01\x10\x00\x04\x08\x01\x00"
)

func TestClearTimestamp(t *testing.T) {
	fixed := number(0) + number(0) + number(0) + number(1) + number(0) + number(100) + number(0)
	for head, want := range map[string]string{
		v15 + number(0) + made + after:  v15 + number(0) + fixed + after,
		v15 + number(-1) + made + after: v15 + number(-1) + fixed + after,
		v17 + made + after:              v17 + fixed + after,
	} {
		got := []byte(head)
		ClearTimestamp(got)
		if string(got) != want {
			t.Errorf("%q: %q, want %q", head, got, want)
		}
	}
	for name, head := range map[string]string{
		"no archive":       strings.Replace(v17, "PGDMP", "PGDMQ", 1) + made + after,
		"unknown format":   "PGDMP\x01\x11\x00\x04\x08\x01\x00" + made + after,
		"other integers":   "PGDMP\x01\x10\x00\x08\x08\x01\x00" + made + after,
		"other offsets":    "PGDMP\x01\x10\x00\x04\x04\x01\x00" + made + after,
		"a tar":            "PGDMP\x01\x10\x00\x04\x08\x03\x00" + made + after,
		"cut off":          v17 + made[:len(made)-1],
		"cut off at sizes": "PGDMP\x01\x10\x00\x04",
		"empty":            "",
	} {
		got := []byte(head)
		ClearTimestamp(got)
		if string(got) != head {
			t.Errorf("%s: %q, was %q", name, got, head)
		}
	}
}

func TestParseHeader(t *testing.T) {
	h, ok := ParseHeader([]byte(v15 + number(0) + made + after))
	if !ok || h.Version != 114 || h.Database != "shop" || h.ServerVersion != "17.11" {
		t.Errorf("%+v, %t", h, ok)
	}
}

// FuzzClearTimestamp: whatever it is given, at most the seven numbers change, and once only.
func FuzzClearTimestamp(f *testing.F) {
	f.Add([]byte(v15 + number(0) + made + after))
	f.Add([]byte(v17 + made + after))
	f.Fuzz(func(t *testing.T, head []byte) {
		got := bytes.Clone(head)
		ClearTimestamp(got)
		once := bytes.Clone(got)
		ClearTimestamp(got)
		const from, to = len(v15), len(v15) + 5 + 7*5
		if len(got) != len(head) || !bytes.Equal(got, once) || !bytes.Equal(head[:min(from, len(head))], got[:min(from, len(got))]) ||
			len(head) > to && !bytes.Equal(head[to:], got[to:]) {
			t.Errorf("%q became %q", head, got)
		}
	})
}
