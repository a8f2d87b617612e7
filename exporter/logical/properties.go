package logical

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/PlakarKorp/integration-postgresql/internal/pgtools"
)

// properties are the statements that make a database what it was, apart from what
// is in it. pg_restore runs them only with --create, which knows no other name and
// no way back when the database cannot be created.
type properties struct {
	create   string // CREATE DATABASE ...
	settings string // ALTER DATABASE ... SET, ALTER ROLE ... IN DATABASE: the rows may depend on them
	rest     string // owner, limits, privileges, comment
	lost     error  // what of these cannot be had
}

// databaseEntry is a line of pg_restore --list about the database itself.
var databaseEntry = regexp.MustCompile(`^\d+; \d+ \d+ (DATABASE|DATABASE PROPERTIES|(ACL|COMMENT|SECURITY LABEL) - DATABASE) `)

// propertiesOf reads them from the archive, for a database named target.
func (e *Exporter) propertiesOf(ctx context.Context, a *archive, tools pgtools.Installation, target string) (properties, error) {
	listed, err := e.peek(ctx, a, tools, "--create", "--list")
	if err != nil {
		return properties{}, err
	}
	var entries strings.Builder
	for line := range strings.Lines(listed) {
		if databaseEntry.MatchString(line) {
			entries.WriteString(line)
		}
	}
	list, err := e.files.Write([]byte(entries.String()))
	if err != nil {
		return properties{}, err
	}
	defer func() { _ = list.Remove() }()
	script, err := e.peek(ctx, a, tools, pgtools.PropertiesArgs(&e.options, list.Path)...)
	broken := strings.ContainsAny(a.database, "\r\n")
	if err != nil && !broken {
		return properties{}, err
	}
	p, sortErr := sortProperties(script, a.database, target)
	if sortErr != nil {
		return properties{}, errors.Join(err, sortErr)
	}
	if broken && strings.Count(entries.String(), "\n") > 1 {
		// pg_restore writes no script beyond the point where it would connect to such
		// a name.
		p.lost = errors.New("its settings, privileges and comment are not restored: its name has a line break")
	}
	return p, nil
}

// sortProperties picks the statements about database source out of pg_restore's
// script and turns them to target.
func sortProperties(script, source, target string) (properties, error) {
	var p properties
	for _, part := range split(script) {
		if !part.statement {
			continue
		}
		statement, ok := retarget(part.text, source, target)
		if !ok {
			continue
		}
		_, after, _ := strings.Cut(part.text, "DATABASE ")
		_, action := identifier(after)
		switch {
		case strings.HasPrefix(statement, "CREATE DATABASE "):
			p.create = statement
		case strings.HasPrefix(statement, "ALTER ROLE "), strings.HasPrefix(action, " SET "):
			p.settings += statement + "\n"
		default:
			p.rest += statement + "\n"
		}
	}
	if p.create == "" {
		return properties{}, fmt.Errorf("the dump does not say how database %q was created", source)
	}
	return p, nil
}
