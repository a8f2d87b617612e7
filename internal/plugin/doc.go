// Package plugin connects a Source or a Target to plakar's SDK. It owns the rules
// of that conversation, so that no connector has to know them:
//
//   - Success of an import is announced by closing the channel of records, and an
//     error after that is lost. Importer closes it only when every record has
//     been acknowledged, every reader that was opened was read to its end, and the
//     Source reports no failure.
//   - An error of an import is returned only when no acknowledgement is under way:
//     plakar may otherwise report "EOF" in its place.
//   - The reader of an exported record must be closed exactly once and never be read
//     after its end: what follows belongs to the next record.
//   - When plakar dies, so do our processes, sessions and temporary files. plakar kills
//     its plugin on Ctrl-C, so the plugin that it knows only stands in front of another
//     process, the worker, which serves it and has a few seconds to end what it began.
//
// Imports (serve.go) and exports (receive.go) speak the SDK's protocol on its connection,
// by package rpc, which takes less time for many files than the SDK's servers.
package plugin
