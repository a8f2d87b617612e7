package logical

import "context"

// smallDatabase is how large a database may be, in bytes on the server, to be
// dumped ahead: its pg_dump ends soon, and holds no snapshot for hours should the
// dump before it take that long.
const smallDatabase = 64 << 20

// beginAhead starts processes before plakar asks for their output, in plakar's
// order, so that one connects and reads the catalogues while the output of another
// is stored. It returns when all have been started or ctx is done.
//
// What waits to be read keeps its slot: so dumps take one less than there are, for
// what plakar asks for in between. The globals, which it asks for before any dump
// and which are soon written, do not count; they may be nil.
func beginAhead(ctx context.Context, globals *turn, dumps []*turn, slots int) {
	if slots < 2 {
		return
	}
	if globals != nil {
		globals.Begin()
	}
	waiting := make(chan struct{}, slots-1)
	for _, t := range dumps {
		select {
		case waiting <- struct{}{}:
		case <-ctx.Done():
			return
		}
		go func() {
			select {
			case <-t.opened:
			case <-ctx.Done():
			}
			<-waiting
		}()
		select {
		case <-t.opened: // plakar was faster
		default:
			t.Begin()
		}
	}
}
