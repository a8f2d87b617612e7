// Command generate writes the schemas and the README's option tables; go generate
// runs it in the schema directory.
package main

import (
	"fmt"
	"os"

	"github.com/PlakarKorp/integration-postgresql/schema"
)

const readme = "../README.md"

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	for _, c := range schema.Connectors() {
		text, err := schema.Generate(c)
		if err != nil {
			return err
		}
		if err := write(c.File(), text); err != nil {
			return err
		}
	}
	text, err := os.ReadFile(readme)
	if err != nil {
		return err
	}
	if text, err = schema.Readme(text); err != nil {
		return err
	}
	return write(readme, append(text, '\n'))
}

func write(file string, text []byte) error {
	return os.WriteFile(file, text, 0o644) // #nosec G306 G703 -- part of the source
}
