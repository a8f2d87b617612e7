package wal

import (
	"testing"

	xlog "github.com/PlakarKorp/integration-postgresql/internal/wal"
)

// A server that was set back with its slot within the segment in which the WAL of the previous snapshot ended
// is found out, whether it has gone further since or not. One that goes on from there is not.
func TestSetBackWithin(t *testing.T) {
	t.Parallel()
	const other = "not what the previous snapshot has"
	for name, c := range map[string]struct {
		changed uint64 // the byte of the seventh segment, of which the previous snapshot has 1000; 0 for none
		end     xlog.LSN
		refused string
	}{
		"a bit further":                 {500, 7<<20 + 1800, other},
		"to the same place":             {500, 7<<20 + 1000, other},
		"to the next segment":           {500, 8<<20 + 9, other},
		"exactly to it":                 {500, 8 << 20, other},
		"far":                           {500, 11<<20 + 77, other},
		"in the last byte":              {999, 9<<20 + 1, other},
		"not as far":                    {500, 7<<20 + 700, "the WAL of the server ends at 0/7002BC, that of the previous snapshot at 0/7003E8"},
		"not as far, the same":          {0, 7<<20 + 999, "that of the previous snapshot at 0/7003E8"},
		"behind it, a bit further":      {1000, 7<<20 + 1001, ""},
		"behind it, to another segment": {1000, 9<<20 + 5, ""},
		"not set back":                  {0, 7<<20 + 1800, ""},
	} {
		for way, options := range map[string][]string{"": nil, ", no spool": {"spool_size=0"}, ", slot lost": nil} {
			if way != "" && name != "a bit further" && name != "far" {
				continue
			}
			t.Run(name+way, func(t *testing.T) {
				t.Parallel()
				server, s := follows(t)
				if way == ", slot lost" {
					server.slot, server.reserves = 0, c.end
				}
				end := server.end
				server.spoil = func(at xlog.Segment, content []byte) {
					if c.changed > 0 && at.Start == server.at(7, 0) {
						content[c.changed] ^= 1
					}
				}
				server.end = c.end
				if c.refused != "" {
					s.refuses(t, server, c.refused, append(options, "continue_on_error=true")...)
					server.spoil, server.end = nil, max(c.end, end)
				}
				// What it goes on with is compared in the same way.
				for range 2 {
					s.must(t, server, options...)
					s.whole(t, server, server.at(3, 0))
					server.end += server.at(0, 500)
				}
			})
		}
	}
}

// A new timeline that begins before the WAL of the previous snapshot ended is another matter: a failover to a
// standby that did not have all of it. From then on it is the one that is compared.
func TestTimelineBeginsWithin(t *testing.T) {
	t.Parallel()
	server, s := follows(t)
	server.begins(2, server.at(7, 600))
	server.end = server.at(7, 900)
	s.must(t, server)
	s.whole(t, server, server.at(3, 0))
	server.spoil = func(at xlog.Segment, content []byte) {
		if at.Start == server.at(7, 0) {
			content[700] ^= 1
		}
	}
	server.end = server.at(7, 2000)
	s.refuses(t, server, "not what the previous snapshot has")
	server.spoil = nil
	for range 2 {
		s.must(t, server)
		s.whole(t, server, server.at(3, 0))
		server.end = server.at(9, 0)
	}
}
