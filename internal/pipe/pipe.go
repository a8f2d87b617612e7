// Package pipe makes pipes larger, and readers of functions that write. A pipe's
// default buffer of 64 KiB turns a dump into many small transfers and task
// switches.
package pipe
