package sqlscript

import "strings"

// Literal writes a text as a string constant, which reads the same whatever
// standard_conforming_strings is.
func Literal(text string) string {
	if strings.Contains(text, `\`) {
		return `E'` + strings.NewReplacer(`\`, `\\`, `'`, `''`).Replace(text) + `'`
	}
	return `'` + strings.ReplaceAll(text, `'`, `''`) + `'`
}
