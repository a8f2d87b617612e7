// Package selection chooses the entries of archives that a restore of some tables or
// schemas needs. It is pure: it reads tables of contents and asks the caller what the
// target has.
//
// pg_restore -t and -n restore what is named and nothing else: no index, no default, no
// type of a column. A selection of this package is closed instead:
//
//   - What belongs to a chosen object comes along: indexes, constraints, defaults, owned
//     sequences with their values, triggers, rules, policies, statistics, comments,
//     privileges, security labels, partitions with their rows. Children of plain
//     inheritance do not, as with pg_dump -t.
//   - What it needs comes along, transitively, unless the target has it: types,
//     functions, parents, the tables of a view, schemas, extensions, servers. A table
//     that is only needed comes with all that belongs to it, but without rows.
//   - What the target has is left alone, with all that belongs to it.
//   - A foreign key comes along if the rows that it refers to do, or if the target has
//     its other table. A membership in a publication needs the publication on the target.
//     What is left out for that is named.
//   - A chosen schema brings everything in it, extensions whose objects are in it, its
//     owner, privileges and comment, and the default privileges for what is made in it
//     later.
//
// A partition of a table that the target has is attached to it before the rows come, as
// in any restore: its table's triggers fire on them unless session_replication_role keeps
// them from it, and its table's indexes are made for it, not restored.
//
// Whole is for archives of a backup that chose a part itself: everything but what refers to
// what the backup left out.
//
// The result is a list for "pg_restore --use-list" for each archive, in the order of the
// archive: pg_restore restores in the order of the list, and cannot go back in a stream.
//
// # Where relations between entries come from
//
// Dependencies that pg_dump writes say what is needed. What an entry belongs to follows
// from its SQL and its name: a trigger depends on its table and maybe on others, and
// nothing says which is which. pg_dump qualifies every name with its schema, so that this
// is certain (before version 1.13 of the format some were not: the entry's own schema is
// meant then).
//
// A dump in parts (layout=tables) is several archives of one database: definitions, rows,
// and what comes after the rows. Dump IDs differ between them, and pg_dump leaves out
// dependencies on what is not in the same archive. Entries of one relation find each
// other by schema and name, which are unique in the one database state that the parts
// show. What entries after the rows need is found by looking for every qualified name in
// their SQL: it may be too much, never too little. One that no archive defines is an
// extension's: the target may have it, Request.MembersOf or definitions that name it and depend
// on extensions may tell whose it is, or else it may be of each in that schema.
//
// Some needs are written nowhere (tried with 15, 17 and 18), and are added here:
//
//   - A constraint's index uses operator classes; pg_dump writes those of an INDEX, but
//     not of a CONSTRAINT. So the default operator classes of a type come with the type,
//     and btree_gist comes with exclusion constraints and with WITHOUT OVERLAPS.
//   - A user mapping has no dependency on its server.
//   - SQL that casts depends on the function of the cast, not on the cast: it comes along
//     when all that it depends on does.
//
// The body of a function that is not SQL-standard has no dependencies: tables that only
// such a body names do not come along.
package selection
