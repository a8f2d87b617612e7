package logical

import "context"

// smallDatabase is how large a database may be, in bytes on the server, for plakar to
// have its dump read soon.
const smallDatabase = 64 << 20

// prefetch starts processes before plakar asks for their output, so that one
// connects and reads the catalogues while the output of another is stored. streams are
// all dumps and parts in plakar's order; started are those that it asks for next. It
// returns when all have been started or ctx is done.
//
// A process whose output is not read yet keeps its slot once the buffers are full.
// One slot therefore stays free for what plakar asks for. Such a process also keeps
// its snapshot and its locks, so no database is started while plakar may take
// hours for the one before. The globals, which plakar asks for before any dump and
// which are soon written, do not count; they may be nil.
func prefetch(ctx context.Context, globals *dumpStream, streams []*dumpStream, slots int) {
	if slots < 2 {
		return
	}
	if globals != nil {
		globals.start()
	}
	window := make(chan struct{}, slots-1)
	for n, s := range streams {
		if n > 0 && !s.sharesSnapshot && !streams[n-1].small {
			select {
			case <-s.requested:
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
			case <-s.requested:
			case <-ctx.Done():
			}
			<-window
		}()
		select {
		case <-s.requested: // plakar was faster
		default:
			s.start()
		}
	}
}
