package manifest

import (
	"embed"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

//go:embed sql/*.sql
var sqlFiles embed.FS

var versionMark = regexp.MustCompile(`-- (?:since (\d+))?\s*(?:before (\d+))?$`)

// query returns the text of sql/name.sql for a server of that major version.
func query(name string, major int) string {
	text, err := sqlFiles.ReadFile("sql/" + name + ".sql")
	if err != nil {
		panic(fmt.Sprintf("manifest: query %s is not embedded: %v", name, err))
	}
	return forMajor(string(text), major)
}

// forMajor drops the lines that are marked for other major versions, and whole
// comment lines.
func forMajor(text string, major int) string {
	var kept strings.Builder
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		if strings.HasPrefix(line, "--") {
			continue
		}
		if mark := versionMark.FindStringSubmatch(line); mark != nil {
			since, _ := strconv.Atoi(mark[1])
			before, err := strconv.Atoi(mark[2])
			if major < since || (err == nil && major >= before) {
				continue
			}
		}
		kept.WriteString(line)
		kept.WriteByte('\n')
	}
	return kept.String()
}
