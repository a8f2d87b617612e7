// Package options turns the settings that plakar hands to a connector, all of
// them strings, into typed values, once.
//
// Each option is declared in one place, as a tagged field of one of the structs
// below. A test holds the JSON Schemas in schema/ and the tables of the documents
// against those tags. Decoding fails on an unknown key, on a value that its
// type does not accept and on options that contradict each other; it touches
// neither network nor disk, and no error repeats the value of a secret option.
package options
