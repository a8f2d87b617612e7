// Package server is the server that a logical restore goes to: what has to be known of
// it, connections to it, and sessions that run SQL scripts statement by statement.
package server
