// Package conninfo describes one connection to a PostgreSQL server: Parse merges
// the options, the URI, a service file and libpq's environment variables into an
// immutable Info, which both pgx and libpq's client tools are then given.
//
// The URI is read as libpq reads it (several hosts, IPv6 literals, Unix sockets,
// percent-encoding, query parameters). Known differences:
//
//   - Parameters that the client tools can only take in their argv (sslpassword)
//     or that pgx does not know (sslcrl, requirepeer, ...) are refused.
//   - Without any host, "localhost" is used rather than the default socket.
//   - A database from PGSERVICE or PGDATABASE does not select what is backed up,
//     since a stray variable would silently make a cluster's backup a partial one.
//
// Secrets reach the tools through their environment only. Text made for people
// (Origin, errors) never holds one; errors do not repeat malformed values, which may be
// part of one that is not written as it has to be.
package conninfo
