package replication

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"
	"time"
)

// FuzzTake: whatever the copy stream holds is data, the start of an archive with a
// name, or refused.
func FuzzTake(f *testing.F) {
	for _, message := range []string{"", "d", "dabc", "n", "nbase.tar\x00\x00", "n\x00", "nbase.tar", "m", "p\x00\x00\x00\x00\x00\x00\x00\x01", "x"} {
		f.Add([]byte(message))
	}
	f.Fuzz(func(t *testing.T, message []byte) {
		b := &Backup{}
		done, err := b.take(message)
		if started := len(b.data) > 0 || b.next != ""; done != started || err != nil && done {
			t.Errorf("%q: done %t, data %q, archive %q, %v", message, done, b.data, b.next, err)
		}
	})
}

// FuzzStream: whatever a server answers, reading it ends, and it is a complete backup
// only if the server said so, and reported no error before.
func FuzzStream(f *testing.F) {
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, answer []byte) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		b, err := answered(t, answer).BaseBackup(ctx, Options{Label: "fuzz", Checkpoint: "fast"})
		for err == nil {
			var a Archive
			if a, err = b.Next(); err != nil {
				break
			}
			if a.Name == "" {
				t.Error("an archive without a name")
			}
			_, err = io.Copy(io.Discard, a)
		}
		if ctx.Err() != nil {
			t.Errorf("it does not end: %v", err)
		}
		if errors.Is(err, io.EOF) && !bytes.Contains(answer, []byte("Z\x00\x00\x00\x05")) {
			t.Errorf("a backup that has no end is taken for complete: %v", err)
		}
	})
}
