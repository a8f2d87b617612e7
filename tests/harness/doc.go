// Package harness gives tests the real parts: throw-away PostgreSQL servers
// of every major version found on the machine, the plakar command with a home
// and a store of its own, a database that is hard on purpose, and fingerprints
// that prove a round trip. A server is a program of the machine or a container;
// nothing else differs between the two.
//
// Everything that it starts is stopped in the test's cleanup, and by the
// kernel (on Linux) when the test process dies. Nothing of the user's own
// configuration or servers is read or written: the environment of all child
// processes is built from scratch.
//
// Environment:
//
//	PG_BINDIRS  servers to use, "15=/usr/lib/postgresql/15/bin:17=/x/bin"
//	PG_IMAGE    run servers in containers of this image, "postgres:%d"; PG_BINDIRS
//	            then has the client tools. "make integration-test" sets all that
//	PG_MAJOR    the major version that Start uses when none is asked for
//	PG_TOOLS    the major version of the client tools that the package is given for
//	            servers that are older, else each server's own
//	PG_LONG     when true, every test runs in every run, and the long ones do: see Long
//	PG_SKIPPED  a file that gets a line for each test that this run skips, and why
//	PG_CONTAINER_TESTS
//	            "marked" for the tests only that call AlsoInContainers, with PG_IMAGE
//	PLAKAR      the plakar command, else .cache/plakar is built
//	PLAKAR_PKG  the package to install, else "make package" is run
//	CI          when true, a missing tool fails the test instead of skipping it
//
// Which runs a test is for, it says itself: see LowestMajorOnly, OwnToolsOnly,
// AlsoInContainers and LongOnly. Without such a call it runs with every version and all tools.
package harness
