package logical

import "context"

// smallDatabase is how large a database may be, in bytes on the server, for plakar to
// have its dump read soon.
const smallDatabase = 64 << 20

// beginAhead starts processes before plakar asks for their output, so that one
// connects and reads the catalogues while the output of another is stored. turns are
// all dumps and parts in plakar's order; begun are those that it asks for next. It
// returns when all have been begun or ctx is done.
//
// What waits to be read keeps a slot if its output is more than fits into the
// buffers: so that is one less than there are slots, for what plakar asks for. And it
// keeps its snapshot and its locks, so a database is not begun while plakar may take
// hours for the one before. The globals, which plakar asks for before any dump and
// which are soon written, do not count; they may be nil.
func beginAhead(ctx context.Context, globals *turn, turns []*turn, slots int) {
	if slots < 2 {
		return
	}
	if globals != nil {
		globals.begin()
	}
	window := make(chan struct{}, slots-1)
	for n, t := range turns {
		if n > 0 && !t.joins && !turns[n-1].quick {
			select {
			case <-t.opened:
				continue
			case <-ctx.Done():
				return
			}
		}
		select {
		case window <- struct{}{}:
		case <-ctx.Done():
			return
		}
		go func() {
			select {
			case <-t.opened:
			case <-ctx.Done():
			}
			<-window
		}()
		select {
		case <-t.opened: // plakar was faster
		default:
			t.begin()
		}
	}
}
