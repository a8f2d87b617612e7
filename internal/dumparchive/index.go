package dumparchive

// index finds entries by their dump IDs, which pg_dump counts up from one: a list is several
// times as fast as a map. What is far beyond the number of entries, as in a damaged archive
// or a part of one, is in a map.
type index struct {
	near []int32 // by dump ID, the number of the entry plus one; 0: none
	far  map[int]int
}

// newIndex returns the index of entries. If two have the same ID, twice is the number of the
// second one, else negative.
func newIndex(entries []Entry) (x index, twice int) {
	most := 0
	for n := range entries {
		most = max(most, entries[n].DumpID)
	}
	x.near = make([]int32, min(most+1, growth*len(entries)))
	for n := range entries {
		id := entries[n].DumpID
		if _, there := x.find(id); there {
			return x, n
		}
		if id < len(x.near) {
			x.near[id] = int32(n) + 1 // #nosec G115 -- there is not the memory for more
			continue
		}
		if x.far == nil {
			x.far = map[int]int{}
		}
		x.far[id] = n
	}
	return x, -1
}

func (x *index) find(id int) (n int, ok bool) {
	if id >= 0 && id < len(x.near) {
		return int(x.near[id]) - 1, x.near[id] > 0
	}
	n, ok = x.far[id]
	return n, ok
}
