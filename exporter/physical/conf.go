package physical

import (
	"bytes"
	"regexp"
	"strings"
)

// The lines between which our settings in postgresql.auto.conf are. Another restore, of
// a backup of a restored cluster, replaces them.
const (
	blockBegin = "# begin of the settings of plakar's restore"
	blockEnd   = "# end of the settings of plakar's restore"
)

// setting is a line of a configuration file.
type setting struct{ name, value string }

// line is the setting as a configuration file has it.
func (s setting) line() string { return s.name + " = " + quote(s.value) }

// quote makes a string of SQL or of a configuration file. In the latter, a backslash
// would begin an escape sequence.
func quote(value string) string { return "'" + strings.ReplaceAll(value, "'", "''") + "'" }

// confLine matches a setting: the "=" is optional, and the value a string or a word.
// Source: https://www.postgresql.org/docs/18/config-setting.html#CONFIG-SETTING-CONFIGURATION-FILE
var confLine = regexp.MustCompile(`^\s*([A-Za-z_][A-Za-z0-9_.$]*)\s*(?:=|\s)\s*('(?:[^'\\]|''|\\.)*'|[^\s'#]+)`)

// parseConf reads the settings of a configuration file by name, in lower case. The last one
// counts. Files that it includes are not read.
func parseConf(text []byte) map[string]string {
	settings := make(map[string]string)
	eachSetting(text, func(name, value string) { settings[name] = value })
	return settings
}

// eachSetting reads a configuration file line by line.
func eachSetting(text []byte, use func(name, value string)) {
	for line := range strings.Lines(string(text)) {
		match := confLine.FindStringSubmatch(line)
		if match == nil {
			continue
		}
		value := match[2]
		if strings.HasPrefix(value, "'") {
			value = strings.NewReplacer("''", "'", `\'`, "'", `\\`, `\`).Replace(value[1 : len(value)-1])
		}
		use(strings.ToLower(match[1]), value)
	}
}

// withoutBlock removes the settings of an earlier restore.
func withoutBlock(text []byte) []byte {
	var kept bytes.Buffer
	inBlock := false
	for line := range bytes.Lines(text) {
		switch trimmed := string(bytes.TrimSpace(line)); {
		case trimmed == blockBegin:
			inBlock = true
		case trimmed == blockEnd && inBlock:
			inBlock = false
		case !inBlock:
			kept.Write(line)
		}
	}
	return kept.Bytes()
}

// withBlock adds our settings, behind all others: the last one of a name counts.
func withBlock(text []byte, settings []setting) []byte {
	kept := bytes.NewBuffer(withoutBlock(text))
	if kept.Len() > 0 && !bytes.HasSuffix(kept.Bytes(), []byte("\n")) {
		kept.WriteByte('\n')
	}
	kept.WriteString(blockBegin + "\n")
	for _, s := range settings {
		kept.WriteString(s.line() + "\n")
	}
	kept.WriteString(blockEnd + "\n")
	return kept.Bytes()
}
