// Package plugin connects a Source or a Target to plakar: it serves the gRPC services of
// integration-grpc on the SDK's connection. It owns the rules of that conversation, so
// that no connector has to know them:
//
//   - Success of a backup is announced by the message "finished", and an error after that
//     is lost. It is sent only when every record has been acknowledged, all content that
//     was opened was read to its end, and the Source reports no failure.
//   - An error of a backup is returned only when no acknowledgement is under way:
//     plakar may otherwise report "EOF" in its place.
//   - The content of a record that is restored ends with an empty message; what follows
//     belongs to the next record.
//   - Calls end when plakar ends them or is gone, a call has ended when all that it began
//     has, and a connector is closed when no call runs (calls.go). How long that may take
//     is in package shutdown.
//   - plakar kills its plugin on Ctrl-C, so the process that it knows only stands in front
//     of another one, the worker, which serves it and has a few seconds to end what it
//     began (main.go).
//
// Data flow of a backup: Source.Backup emits records, which importer.go sends; plakar
// opens the content of each, which Open sends, and acknowledges it (pending.go). Of a
// restore: exporter.go receives records and their content and hands them to
// Target.Restore, one after another.
//
// The SDK's own servers would do the same, but clear a buffer of 1 MiB for every file and
// leave gRPC's windows at 64 KiB; docs/benchmarks.md has the figures.
package plugin
