// Command majors prints the major versions of the PostgreSQL servers that the
// tests can start, one a line.
package main

import (
	"fmt"

	"github.com/PlakarKorp/integration-postgresql/tests/harness"
)

func main() {
	for _, major := range harness.Majors() {
		fmt.Println(major)
	}
}
