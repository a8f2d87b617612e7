// Package faults breaks things on purpose while the package runs through the real
// plakar, and states for each fault what happens then: the registry in
// registry_test.go is both the suite and the source of docs/faults.md.
//
//	go test ./tests/faults -run TestTable -update    writes the table anew
package faults
