package wal

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Sizes in bytes of headers.
const (
	PageHeaderSize      = 24
	FirstPageHeaderSize = 40
)

// longHeader marks the first page of a segment.
// Source: XLP_LONG_HEADER in src/include/access/xlog_internal.h
const longHeader = 0x0002

// magics are the page magics of major versions.
// Source: XLOG_PAGE_MAGIC in src/include/access/xlog_internal.h of each
var magics = map[uint16]int{
	0xD101: 12, 0xD106: 13, 0xD10D: 14, 0xD110: 15, 0xD113: 16, 0xD116: 17, 0xD118: 18,
}

// Page is the header of a page of WAL.
type Page struct {
	Magic    uint16
	Timeline Timeline
	Address  LSN
	first    bool
}

// FirstPage is the header of a segment's first page.
type FirstPage struct {
	Page
	SystemID uint64
	// SegmentSize and BlockSize are in bytes.
	SegmentSize, BlockSize uint32
}

// Major is the major version that writes such pages, 0 if it is none that is known.
func (p Page) Major() int { return magics[p.Magic] }

// ParsePage reads the header of a page, of PageHeaderSize bytes. It is in the byte order
// of the server's machine, which the magic tells.
func ParsePage(b []byte) (Page, error) {
	if len(b) < PageHeaderSize {
		return Page{}, errors.New("a page of WAL is cut off in its header")
	}
	order := byteOrder(b)
	p := Page{
		Magic: order.Uint16(b), first: order.Uint16(b[2:])&longHeader != 0,
		Timeline: Timeline(order.Uint32(b[4:])), Address: LSN(order.Uint64(b[8:])),
	}
	if p.Magic>>8 != 0xD1 {
		return Page{}, fmt.Errorf("a page of WAL begins with %#04X, which is no WAL", p.Magic)
	}
	return p, nil
}

// ParseFirstPage reads the header of a segment's first page, of FirstPageHeaderSize bytes.
func ParseFirstPage(b []byte) (FirstPage, error) {
	if len(b) < FirstPageHeaderSize {
		return FirstPage{}, errors.New("a WAL segment is cut off in its header")
	}
	page, err := ParsePage(b)
	if err != nil {
		return FirstPage{}, err
	}
	if !page.first {
		return FirstPage{}, errors.New("a WAL segment does not begin with the header of a segment")
	}
	order := byteOrder(b)
	p := FirstPage{Page: page, SystemID: order.Uint64(b[24:]), SegmentSize: order.Uint32(b[32:]), BlockSize: order.Uint32(b[36:])}
	if err := CheckSegmentSize(uint64(p.SegmentSize)); err != nil {
		return FirstPage{}, err
	}
	if p.BlockSize < 1<<10 || p.BlockSize > 1<<16 || p.BlockSize&(p.BlockSize-1) != 0 {
		return FirstPage{}, fmt.Errorf("%d bytes is no size of a WAL block", p.BlockSize)
	}
	return p, nil
}

// byteOrder takes the upper byte of the magic, 0xD1 in all versions, for the sign.
func byteOrder(b []byte) binary.ByteOrder {
	if b[0] == 0xD1 && b[1] != 0xD1 {
		return binary.BigEndian
	}
	return binary.LittleEndian
}

// Check compares the header with the page at address of a segment on the history h.
// Pages before a timeline's beginning are those of its ancestors.
func (p Page) Check(address LSN, h History) error {
	if p.Address != address {
		return fmt.Errorf("the page of WAL at %s says that it belongs to %s", address, p.Address)
	}
	if !h.Contains(p.Timeline) {
		return fmt.Errorf("the page of WAL at %s is of timeline %d, which timeline %d does not descend from", address, p.Timeline, h.Timeline)
	}
	return nil
}

// Check compares the header with the segment s on the history h of the cluster with systemID.
func (p FirstPage) Check(s Segment, h History, systemID uint64) error {
	if err := p.Page.Check(s.Start, h); err != nil {
		return err
	}
	if p.SystemID != systemID {
		return fmt.Errorf("the WAL segment %s is of the cluster with the system identifier %d, not of %d", s, p.SystemID, systemID)
	}
	if uint64(p.SegmentSize) != s.Size {
		return fmt.Errorf("the WAL segment %s is one of %d bytes, not of %d", s, p.SegmentSize, s.Size)
	}
	return nil
}
