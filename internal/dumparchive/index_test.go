package dumparchive

import "testing"

// Every ID is found, however far it is from the others, and what is there twice is.
func TestIndex(t *testing.T) {
	for _, ids := range [][]int{{}, {1}, {2, 1, 3}, {1 << 31, 7, 1, 1<<31 - 1}, {5, 100, 101}} {
		var entries []Entry
		for _, id := range ids {
			entries = append(entries, Entry{DumpID: id})
		}
		x, twice := newIndex(entries)
		if twice >= 0 {
			t.Errorf("%v: %d is said to be there twice", ids, twice)
		}
		for n, id := range ids {
			if at, ok := x.find(id); !ok || at != n {
				t.Errorf("%v: %d is said to be at %d, %v", ids, id, at, ok)
			}
			if _, twice := newIndex(append(entries, Entry{DumpID: id})); twice != len(ids) {
				t.Errorf("%v: that %d is there twice is not noticed: %d", ids, id, twice)
			}
		}
		for _, id := range []int{-1, 0, 4, 1 << 30} {
			if at, ok := x.find(id); ok {
				t.Errorf("%v: %d is found, at %d", ids, id, at)
			}
		}
	}
}
