// Package proc is the only one that starts processes.
//
// A process never inherits the plugin's stdin or stdout, which are its
// connection to plakar. It runs in a process group of its own, so that Close and
// a cancelled context reach its children as well, and (on Linux) dies with the
// plugin. Ending is always SIGTERM first, on which the PostgreSQL tools cancel
// the query that the server is running for them, and SIGKILL
// when that does not help. After a failure nothing is left: every started process has been waited for.
//
// The plugin itself is two processes (Supervise), so that SIGKILL, of which only the
// one in front knows, does not keep the other from doing all that.
package proc
