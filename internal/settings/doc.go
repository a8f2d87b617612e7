// Package settings says which settings the sessions of a backup or a restore are given,
// ours and those of the client tools, whatever the server, the database or the role sets.
//
// An application's timeout, encoding, date format or read-only mode must not end a
// backup, or change what is in it. Pinned has the settings that are given a value, Left
// those that stay as they are. Every setting that a session can be given is in one of
// them: a test asks servers of every version.
//
// They are given as start-up options, which outrank ALTER ROLE SET, ALTER DATABASE SET
// and postgresql.conf. What the user's own options say comes last and wins. The server
// ends a session that is given a name it does not know, or that the role may not set: so
// the first session is given Base, those after it what the server was found to accept.
package settings
