// Package target is one database that a dump is restored into: what happens to it before
// (plan.go, pure), how it is created (prepare.go) or made to take the place of one that is there
// (replace.go): what is looked at before (precheck.go, sessions.go, lock.go), the exchange (exchange.go,
// subscription.go), a database that is kept (kept.go), and what is left if something failed (incomplete.go). What a database is apart from
// what is in it is in properties.go.
//
// What must always hold: a database is dropped only by recreate, and only when its
// successor is complete, or with recreate=first there. Whatever fails or ends before that leaves the
// old one in its place. What does not bear a mark of ours is never dropped.
package target
