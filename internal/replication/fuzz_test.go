package replication

import "testing"

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
