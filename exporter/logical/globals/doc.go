// Package globals restores what a snapshot has of a whole server: its roles, with their
// memberships and settings, and its tablespaces.
//
// The script of pg_dumpall is read (Read), it is decided which of its statements apply
// (plan.go, pure), and these are run one by one. That an object exists is expected, any
// other error is one of the restore, and the other statements are run all the same.
//
// What must always hold: the roles that restore keep their password and attributes,
// whatever the script says of them, since the ones saved could lock them out. Their
// memberships apply; their settings (ALTER ROLE ... SET) come when all else has been
// restored, since they would apply to the sessions that restore (Finish).
//
// With Missing, nothing that is there is changed. Where a part of a snapshot is restored,
// only roles and tablespaces that the part needs are made (Needs), and no role that could
// go around privileges.
package globals
