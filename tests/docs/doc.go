// Package docs runs the commands that README.md and docs/*.md show, as they stand there,
// against real servers and with the real plakar.
//
// Code is in fences that name their language. Those of sh and sql are run, and so are the
// commands of crontabs (cron) and of systemd's units (ini); text and json show what is no
// command. Each block can be copied alone: it finds what a reader has who followed the
// README. What cannot be run here says so, and why, in the line before the fence:
//
//	<!-- not run: it needs an account at AWS -->
//
//	blocks_test.go    what the documents have
//	options_test.go   their options are those of the schemas
//	commands_test.go  running them
//	world_test.go     the servers and what stands for the documents' names
//	testdb_test.go    what "make testdb" prints
//	map_test.go       the drawing in CONTRIBUTING.md
package docs
