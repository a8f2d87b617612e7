// Package wal backs up the WAL of a cluster between two base backups, from a physical
// replication slot to one record for each segment.
//
// A snapshot lists all segments of a window; those that the previous one has are taken from
// it unread. The store is the only memory of what was backed up, and it is asked through
// plakar's acknowledgements (record.go). What plakar 1.1.4 was seen to do:
//
//   - A record of size -1 whose identity (name, mode, mtime, device, inode, owner) is that of a
//     file of the previous snapshot is acknowledged unopened, with the size there. The previous
//     snapshot is the latest with the same root, type and origin.
//   - Another one is opened, and its reader may wait as long as it likes: so a worker of
//     plakar is busy, and on a machine with two processors there is only this one. No
//     question is answered before its content has been supplied.
//   - In a dry run a record is acknowledged unopened with size -1; with "-cache no" every
//     one is opened.
//   - A record with a size that differs from the previous snapshot's is opened: that changes
//     a fact which is the size of a record (sendSuccessor), or exchanges a bit (exchangeEnd).
//
// Data flow of a run: where the WAL ends now (server.go); is there a previous snapshot, of
// this cluster (run.go); a slot that keeps WAL and that nobody uses (slot.go); which segments
// are known, backwards from that of the slot, then forwards to the first that is not (walk.go);
// from there the server's stream (stream.go, source.go, content.go), whose page headers
// are checked; the manifest (document.go).
//
// Invariants:
//
//   - The identity of a segment is its name. So the newest segment of the previous snapshot
//     is streamed again, and must have the content that its record in /sum knows; the
//     previous snapshot must not have a segment after it; and where the previous snapshot ended within
//     a segment, that one must begin as it did (end.go). Otherwise the server was set back,
//     and nothing is stored. Where a new timeline begins just after it this cannot be told; there
//     the segment must be on the server in which the timeline begins, if the previous snapshot has it.
//   - The slot moves to the newest segment of the previous snapshot, which was committed,
//     and not further.
//   - What a page's header says is checked before anybody gets the page: an error beside the last
//     bytes of a segment would not be looked at.
//   - While plakar waits for the content of a segment, nothing that comes before it in the stream
//     needs a worker of plakar.
//   - All WAL from the manifest's begin to its end is in the snapshot. An empty file in a
//     segment's place is where it begins. WAL that is missing since the previous snapshot
//     is an error, unless the user accepts it.
//   - The server's commits do not wait for us: nothing is reported as flushed but for the moment in
//     which the slot moves, in one write with the update that takes it back. With
//     synchronous_standby_names = '*' the server may count us in for that moment; what it could then
//     let through is WAL that a committed snapshot has.
//   - After a failure nothing is left but the slot, as it was; one that was created for a
//     first snapshot is dropped.
package wal
