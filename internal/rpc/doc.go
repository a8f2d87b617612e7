// Package rpc serves gRPC to one client, at the other end of two pipes, with as few
// system calls and goroutines for a call as can be.
//
// plakar asks for each file with a call, and does nothing else meanwhile if it has one
// worker: with thousands of small files, what takes the time of a backup is how long a
// call takes and how often it wakes up plakar. google.golang.org/grpc, whose services
// this package serves unchanged, answers such a call with two or three writes, by three
// goroutines; here one goroutine reads the request and writes the answer, in one piece.
// The frames of HTTP/2 and the compression of their headers are those of
// golang.org/x/net/http2.
//
// The client has to be grpc-go. What such a client of plakar's never asks for is not
// there: compressed messages, metadata, deadlines (the client cancels a call that takes
// too long), several connections.
package rpc
