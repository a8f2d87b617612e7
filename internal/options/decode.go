package options

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
)

// Size is a number of bytes, written like "512MiB" or "1GB".
type Size uint64

// Field describes one option, as declared by a struct field's tags.
type Field struct {
	Name     string   // option: the key in the settings
	Default  string   // default: the value when the key is absent or empty
	Fallback string   // unset: what holds when nothing else, such as the URI, says more
	Enum     []string // enum: the only accepted values, if any
	Min      int      // min: the smallest accepted number
	Max      int      // max: the largest accepted number
	Secret   bool     // secret: the value is never repeated in a message
	Required bool     // required: there is no default
	Refused  string   // why the option that an embedded struct declares is not accepted; "" if it is
	Doc      string   // doc: what it is for, in a few words
	Kind     Kind
}

// Boolean reports whether the values are true and false, in every spelling, or
// have them among others.
func (f Field) Boolean() bool {
	return f.Kind == Boolean || slices.Contains(f.Enum, "true") && slices.Contains(f.Enum, "false")
}

// Kind is the type of an option's value.
type Kind string

// The kinds of values.
const (
	String  Kind = "string"
	Boolean Kind = "boolean"
	Integer Kind = "integer"
	List    Kind = "list"
	Bytes   Kind = "size"
	Time    Kind = "duration"
)

// decode fills the tagged fields of the struct that target points to from
// settings. All problems are reported together.
func decode(settings map[string]string, target any) error {
	var errs []error
	known := make(map[string]bool)
	walk(reflect.ValueOf(target).Elem(), func(f Field, v reflect.Value) {
		known[f.Name] = f.Refused == ""
		text, given := settings[f.Name]
		// A form that was left empty sends "". It means the default, except
		// for lists, where an explicit empty list replaces a default one.
		if !given || text == "" && f.Kind != List {
			text = f.Default
		}
		if err := set(f, v, text); err != nil {
			errs = append(errs, err)
		}
	})
	errs = append(errs, unknown(settings, known)...)
	return errors.Join(errs...)
}

// unknown reports the keys of settings that are not in known.
func unknown(settings map[string]string, known map[string]bool) []error {
	var errs []error
	for key := range settings {
		if _, ok := known[key]; !ok {
			errs = append(errs, fmt.Errorf("unknown option %q: accepted are %s",
				key, strings.Join(sortedKeys(known), ", ")))
		}
	}
	slices.SortFunc(errs, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return errs
}

// Fields lists the options that the struct (or pointer to one) accepts, in order.
func Fields(target any) []Field {
	v := reflect.ValueOf(target)
	if v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	var fields []Field
	walk(v, func(f Field, _ reflect.Value) {
		if f.Refused == "" {
			fields = append(fields, f)
		}
	})
	return fields
}

// walk calls visit for every tagged field, those of embedded structs included.
func walk(v reflect.Value, visit func(Field, reflect.Value)) {
	for i := range v.NumField() {
		sf := v.Type().Field(i)
		if sf.Anonymous {
			walk(v.Field(i), override(sf.Tag, visit))
			continue
		}
		if _, ok := sf.Tag.Lookup("option"); ok {
			visit(describe(sf), v.Field(i))
		}
	}
}

// override applies the tags of an embedded struct to the options that it declares:
// refuse:"name=reason", default:"name=value", unset:"name=value".
func override(tag reflect.StructTag, visit func(Field, reflect.Value)) func(Field, reflect.Value) {
	return func(f Field, v reflect.Value) {
		for key, text := range map[string]*string{"refuse": &f.Refused, "default": &f.Default, "unset": &f.Fallback} {
			if name, value, _ := strings.Cut(tag.Get(key), "="); name == f.Name {
				*text = value
			}
		}
		visit(f, v)
	}
}

func describe(sf reflect.StructField) Field {
	f := Field{
		Name:     sf.Tag.Get("option"),
		Default:  sf.Tag.Get("default"),
		Secret:   sf.Tag.Get("secret") == "true",
		Required: sf.Tag.Get("required") == "true",
		Doc:      sf.Tag.Get("doc"),
		Fallback: sf.Tag.Get("unset"),
	}
	if enum := sf.Tag.Get("enum"); enum != "" {
		f.Enum = strings.Split(enum, "|")
	}
	f.Min, _ = strconv.Atoi(sf.Tag.Get("min"))
	f.Max, _ = strconv.Atoi(sf.Tag.Get("max"))
	switch sf.Type {
	case reflect.TypeFor[bool]():
		f.Kind = Boolean
	case reflect.TypeFor[int]():
		f.Kind = Integer
	case reflect.TypeFor[[]string]():
		f.Kind = List
	case reflect.TypeFor[Size]():
		f.Kind = Bytes
	case reflect.TypeFor[time.Duration]():
		f.Kind = Time
	default:
		f.Kind = String
	}
	return f
}

// set parses text as f's kind of value into v.
func set(f Field, v reflect.Value, text string) error {
	if text == "" {
		if f.Required {
			return fmt.Errorf("option %q is required: %s", f.Name, f.Doc)
		}
		return nil
	}
	if f.Refused != "" {
		return fmt.Errorf("option %q is not accepted: %s", f.Name, f.Refused)
	}
	value, err := parse(f, text)
	if err != nil {
		return invalidValue(f, text, err.Error())
	}
	v.Set(reflect.ValueOf(value))
	return nil
}

// parse returns text as f's kind of value; the error says what is accepted.
func parse(f Field, text string) (value any, err error) {
	fine, accepted := true, ""
	switch f.Kind {
	case Boolean:
		value, err = strconv.ParseBool(text)
		accepted = "true or false"
	case Integer:
		var n int
		n, err = strconv.Atoi(text)
		value, fine = n, n >= f.Min && n <= f.Max
		accepted = fmt.Sprintf("a whole number from %d to %d", f.Min, f.Max)
	case Bytes:
		var n uint64
		n, err = humanize.ParseBytes(text)
		value, accepted = Size(n), `a size like "512MiB", "1GiB" or "0"`
	case Time:
		var d time.Duration
		d, err = time.ParseDuration(text)
		value, fine, accepted = d, d >= time.Millisecond, `a duration like "30s", "5m" or "1h"`
	case List:
		if value, err = splitList(text); err != nil {
			accepted = "a comma-separated list, " + err.Error()
		}
	default:
		return parseText(f, text)
	}
	if err != nil || !fine {
		return nil, errors.New(accepted)
	}
	return value, nil
}

// parseText is parse for text, which may be one of a few words.
func parseText(f Field, text string) (any, error) {
	if b, err := strconv.ParseBool(text); err == nil && f.Boolean() {
		text = strconv.FormatBool(b)
	}
	if strings.ContainsRune(text, 0) {
		return nil, errors.New("text without NUL bytes")
	}
	if len(f.Enum) > 0 && !slices.Contains(f.Enum, text) {
		return nil, errors.New(strings.Join(f.Enum, ", "))
	}
	return text, nil
}

func invalidValue(f Field, text, accepted string) error {
	if f.Secret || text == "" {
		return fmt.Errorf("option %q: value not accepted: use %s", f.Name, accepted)
	}
	return fmt.Errorf("option %q: %q is not accepted: use %s", f.Name, text, accepted)
}

// splitList splits at the commas that are not between double quotes, as
// PostgreSQL's patterns use them, and drops white space around each item.
func splitList(text string) ([]string, error) {
	var items []string
	quoted := false
	start := 0
	for i := 0; i <= len(text); i++ {
		if i < len(text) && text[i] == '"' {
			quoted = !quoted
		}
		if i < len(text) && (text[i] != ',' || quoted) {
			continue
		}
		item := strings.TrimSpace(text[start:i])
		if item == "" {
			return nil, errors.New("none of its items empty")
		}
		items = append(items, item)
		start = i + 1
	}
	if quoted {
		return nil, errors.New("double quotes in pairs")
	}
	return items, nil
}

// unquoteNames takes the double quotes off the items that are quoted as a
// whole, so that a name with a comma can be listed.
func unquoteNames(items []string) []string {
	names := make([]string, 0, len(items))
	for _, item := range items {
		if len(item) >= 2 && item[0] == '"' && item[len(item)-1] == '"' {
			item = strings.ReplaceAll(item[1:len(item)-1], `""`, `"`)
		}
		names = append(names, item)
	}
	return names
}

func sortedKeys(set map[string]bool) []string {
	keys := make([]string, 0, len(set))
	for key, accepted := range set {
		if accepted {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys
}
