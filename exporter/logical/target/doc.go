// Package target is one database that a dump is restored into: what happens to it before
// (plan.go, pure), how it is created (prepare.go) or put in the place of one that is there
// (replace.go), how that is undone (rollback.go), and what a database is apart from what is
// in it (properties.go).
//
// What must always hold: a database is dropped only by recreate, and only when its
// successor is there. Whatever fails or ends before that leaves the old one untouched.
package target
