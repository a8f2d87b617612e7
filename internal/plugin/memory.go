package plugin

import (
	"runtime/debug"
	"strconv"
)

// A plugin holds a few large buffers and makes much small garbage: the collector would
// run all the time with Go's default. The soft limit must be more than what is really
// held, or the collector never rests.
const (
	gcPercent = 400

	baseMemory = 96 << 20 // bytes: windows of the connection, spool in memory, program
	jobMemory  = 6 << 20  // bytes, for each process at the same time: read ahead, a message, its copies
)

// memoryLimit is the soft limit for a connector with these settings, in bytes.
func memoryLimit(settings map[string]string) int64 {
	jobs, err := strconv.Atoi(settings["jobs"])
	if err != nil {
		jobs = 1 // the connector has read it: it has none, or its default of a few
	}
	return baseMemory + int64(max(jobs, 1))*jobMemory
}

// limitMemory sets up the collector for a connector with these settings.
func limitMemory(settings map[string]string) {
	debug.SetGCPercent(gcPercent)
	debug.SetMemoryLimit(memoryLimit(settings))
}
