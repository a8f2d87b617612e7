package plugin

import "google.golang.org/grpc"

// How the gRPC server deals with the connection, in bytes. docs/benchmarks.md has what
// was tried.
const (
	// window is how much plakar may send ahead: a whole restore comes in one call.
	window = 8 << 20
	// ioBuffer is how much is read or written at once: what one message has, and its
	// frames' headers.
	ioBuffer = messageSize + 4<<10
	// messageSize is how much of a file goes into one message. plakar copies a message
	// several times, which is quicker in the processor's cache.
	messageSize = 128 << 10
)

// streamWorkers is how many goroutines wait for calls; a new one for each file would
// have to grow its stack first.
const streamWorkers = 8

func newServer() *grpc.Server {
	return grpc.NewServer(
		grpc.InitialWindowSize(window),
		grpc.InitialConnWindowSize(window),
		grpc.ReadBufferSize(ioBuffer),
		grpc.WriteBufferSize(ioBuffer),
		grpc.SharedWriteBuffer(true),
		grpc.NumStreamWorkers(streamWorkers),
	)
}
