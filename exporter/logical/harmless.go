package logical

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"strings"
)

// known is how the statements begin that pg_dumpall writes for roles and tablespaces,
// and pg_restore for what a database is. With others psql would read data from the
// script (COPY), or characters of more than one byte (client_encoding) with a quote or a
// backslash in them.
// Source: src/bin/pg_dump/pg_dumpall.c, buildACLCommands in src/bin/pg_dump/dumputils.c, dumpDatabase in src/bin/pg_dump/pg_dump.c
var known = regexp.MustCompile(`^(CREATE (ROLE|TABLESPACE) |ALTER (ROLE|TABLESPACE|DATABASE) |COMMENT ON |SECURITY LABEL |GRANT |REVOKE |` +
	`SET (default_transaction_read_only|escape_string_warning) = |SET standard_conforming_strings = on;|(RE)?SET SESSION AUTHORIZATION\b` +
	`|SET client_encoding = '(UTF8|SQL_ASCII|EUC_[A-Z0-9_]+|LATIN[0-9]+|ISO_8859_[0-9]|WIN(866|874|125[0-9])|KOI8[RU]|MULE_INTERNAL)';)`)

// ownCommand is what pg_dumpall and pg_restore themselves tell psql.
var ownCommand = regexp.MustCompile(`^\\(un)?restrict [A-Za-z0-9]+\s*$`)

// harmless returns what of a script may be given to psql: its statements, and nothing
// that psql itself would act on. A snapshot may come from elsewhere, and pg_dumpall
// before August 2025 (CVE-2025-8714, CVE-2025-8715) writes names with line breaks into
// comments as they are: a backslash command behind one would run on this machine.
//
// What is left out becomes blank lines. The statements among it are reported; of commands
// there is a warning, since nothing that was saved is in them. A psql that knows the
// command \restrict, which is put in front, refuses all others by itself.
func harmless(script []byte) (clean []byte, refused []error) {
	var out bytes.Buffer
	out.WriteString(`\restrict ` + rand.Text() + "\nSET standard_conforming_strings = on;\n")
	if bytes.IndexByte(script, 0) >= 0 {
		return out.Bytes(), []error{errors.New("the script has a NUL byte: nothing of it was run")}
	}
	line := 1
	for _, p := range split(string(script)) {
		switch {
		case p.statement && (!p.plain || !known.MatchString(p.text)):
			if len(refused) < maxGlobalErrors {
				refused = append(refused, fmt.Errorf("line %d of the script is not what pg_dumpall or pg_restore write: its statement was left out", line))
			}
		case p.statement:
			out.WriteString(p.text)
			line += strings.Count(p.text, "\n")
			continue
		case strings.HasPrefix(p.text, `\`) && !ownCommand.MatchString(p.text):
			slog.Warn(fmt.Sprintf("line %d of the script is a command to psql that does not belong there: it was left out", line))
		}
		out.WriteString(blank(p.text))
		line += strings.Count(p.text, "\n")
	}
	return out.Bytes(), refused
}
