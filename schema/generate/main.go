// Command generate writes the schemas and the option tables of the documents; go generate
// runs it in the schema directory.
package main

import (
	"fmt"
	"os"

	"github.com/PlakarKorp/integration-postgresql/schema"
)

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
	return documents()
}

func documents() error {
	files, err := schema.Documents("..")
	if err != nil {
		return err
	}
	texts := make(map[string][]byte)
	for _, file := range files {
		if texts[file], err = os.ReadFile(file); err != nil { //nolint:gosec // part of the source
			return err
		}
	}
	rendered, err := schema.Render(texts)
	if err != nil {
		return err
	}
	for file, text := range rendered {
		if err := write(file, text); err != nil {
			return err
		}
	}
	return nil
}

func write(file string, text []byte) error {
	return os.WriteFile(file, text, 0o644) // #nosec G306 G703 -- part of the source
}
