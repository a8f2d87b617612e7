package wal

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"

	"github.com/PlakarKorp/integration-postgresql/internal/replication"
	xlog "github.com/PlakarKorp/integration-postgresql/internal/wal"
)

// source reads the WAL that the server streams, one segment after the other. Every
// byte passes through the checks of its pages and through a hash.
type source struct {
	ctx    context.Context
	stream *replication.WALStream
	run    *run
	rest   []byte // of the last message

	segment xlog.Segment
	check   *pageCheck
	sum     hash.Hash
	begun   uint64 // bytes of it that the previous snapshot has and that have not passed yet
}

// open begins to stream from the start of a segment, with a slot unless that is "".
func (r *run) open(slot string, at xlog.Segment) (*source, error) {
	stream, err := r.server.conn.StreamWAL(r.ctx, slot, at.Timeline, at.Start, r.server.interval)
	if err != nil {
		return nil, err
	}
	s := &source{ctx: r.ctx, stream: stream, run: r}
	s.begin(at)
	return s, nil
}

// begin makes the source ready for the content of a segment, which is the next that comes.
func (s *source) begin(segment xlog.Segment) {
	server := s.run.server
	s.segment, s.sum, s.begun = segment, sha256.New(), s.run.begunBefore(segment)
	s.check = &pageCheck{segment: segment, history: server.history, systemID: server.systemID, block: defaultBlock}
}

// fill waits for the next WAL, unless some is there. The end of the timeline is an error: where it
// lies is known.
func (s *source) fill() (err error) {
	for len(s.rest) == 0 && err == nil {
		s.rest, err = s.stream.Receive(s.ctx)
	}
	if errors.Is(err, io.EOF) {
		err = fmt.Errorf("timeline %d ended while it was backed up: a standby was promoted\nhint: run the backup again, it follows the new timeline", s.segment.Timeline)
	}
	return err
}

// Read implements io.Reader.
func (s *source) Read(p []byte) (int, error) {
	if err := s.fill(); err != nil {
		return 0, err
	}
	n := copy(p, s.rest)
	// Whoever has read all that he wants does not look at an error that comes with it.
	if err := s.check.add(p[:n]); err != nil {
		return 0, err
	}
	s.rest = s.rest[n:]
	s.add(p[:n])
	return n, nil
}

// add hashes what has passed. The sum up to where the previous snapshot ended is of its own.
func (s *source) add(p []byte) {
	if n := uint64(len(p)); s.begun > n {
		s.begun -= n
	} else if s.begun > 0 {
		_, _ = s.sum.Write(p[:s.begun])
		s.run.begunSum = s.hex()
		p, s.begun = p[s.begun:], 0
	}
	_, _ = s.sum.Write(p)
}

// defaultBlock is PostgreSQL's default of the size of a WAL block, in bytes; the first page
// says which it is.
const defaultBlock = 8192

// pageCheck looks at the page headers of a segment that passes.
type pageCheck struct {
	segment  xlog.Segment
	history  xlog.History
	systemID uint64
	block    uint64 // size of a page, in bytes
	offset   uint64 // of what comes next, in the segment
	head     []byte // of the current page, as far as it has come
	ended    bool   // a page of zeros has come
}

// add takes the next bytes of the segment.
func (c *pageCheck) add(p []byte) error {
	for len(p) > 0 {
		within := c.offset % c.block
		want := uint64(xlog.PageHeaderSize)
		if c.offset < xlog.FirstPageHeaderSize {
			want = xlog.FirstPageHeaderSize
		}
		n := c.block - within // to the next page
		if within < want {
			n = want - within
		}
		n = min(n, uint64(len(p)))
		if within < want {
			c.head = append(c.head, p[:n]...)
			if uint64(len(c.head)) == want {
				if err := c.header(c.offset - within); err != nil {
					return err
				}
				c.head = c.head[:0]
			}
		}
		p, c.offset = p[n:], c.offset+n
	}
	return nil
}

// header checks a complete header of the page at offset. After a switch to the next
// segment the rest of this one is zeros, headers of pages included.
// Source: CopyXLogRecordToWAL in src/backend/access/transam/xlog.c, since PostgreSQL 11
func (c *pageCheck) header(offset uint64) error {
	address := c.segment.Start + xlog.LSN(offset)
	if offset == 0 {
		page, err := xlog.ParseFirstPage(c.head)
		if err != nil {
			return fmt.Errorf("the WAL segment %s: %w", c.segment, err)
		}
		c.block = uint64(page.BlockSize)
		return page.Check(c.segment, c.history, c.systemID)
	}
	empty := true
	for _, b := range c.head {
		empty = empty && b == 0
	}
	if empty {
		c.ended = true
		return nil
	}
	if c.ended {
		return fmt.Errorf("the WAL segment %s goes on at %s, behind pages of zeros: WAL is missing in it", c.segment, address)
	}
	page, err := xlog.ParsePage(c.head)
	if err != nil {
		return fmt.Errorf("the WAL segment %s at %s: %w", c.segment, address, err)
	}
	return page.Check(address, c.history)
}
