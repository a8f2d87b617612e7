package globals

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/PlakarKorp/integration-postgresql/exporter/logical/server"
	config "github.com/PlakarKorp/integration-postgresql/internal/settings"
	"github.com/PlakarKorp/integration-postgresql/internal/sqlscript"
	"github.com/PlakarKorp/integration-postgresql/manifest"
)

// SetForAll restores settings of ALTER ROLE ALL, which are in no script of pg_dumpall. As with
// those of single roles, others that are there stay. They come last: they count for each session
// from then on, also for that of a tool behind a pooler.
func SetForAll(ctx context.Context, s *server.Server, settings []manifest.Setting, exitOnError bool) error {
	if len(settings) == 0 {
		return nil
	}
	err := s.WithSession(ctx, &sqlscript.Script{Encoding: "UTF8"}, func(session *server.Session) error {
		var errs server.Errors
		for _, setting := range settings {
			err := setForAll(ctx, session, setting)
			errs.Add(err)
			if err != nil && (exitOnError || ctx.Err() != nil || session.Lost()) {
				break
			}
		}
		return errs.Err()
	})
	if err != nil {
		return fmt.Errorf("restoring the settings of all roles (ALTER ROLE ALL): %w", err)
	}
	return nil
}

func setForAll(ctx context.Context, session *server.Session, setting manifest.Setting) error {
	statement := sqlscript.Statement{SQL: "ALTER ROLE ALL SET " + pgx.Identifier{setting.Name}.Sanitize() + " TO " + valueOf(setting)}
	for _, library := range librariesOf(setting) {
		if err := session.Run(ctx, sqlscript.Statement{SQL: "LOAD " + sqlscript.Literal(library)}); err != nil {
			return fmt.Errorf("%s %s: left out, as no role could connect any more: %w", statement.Subject(), setting.Value, err)
		}
	}
	return session.Run(ctx, statement)
}

// lists are the parameters whose values the server keeps as lists of quoted identifiers.
// Source: variable_is_guc_list_quote in src/bin/pg_dump/dumputils.c
var lists = []string{config.LocalLibraries, "search_path", config.SessionLibraries, "shared_preload_libraries", "temp_tablespaces", "unix_socket_directories"}

// valueOf is the value as a statement has it: what is a list in the catalogue has to be one
// there, or it would become one name.
func valueOf(setting manifest.Setting) string {
	if !slices.Contains(lists, strings.ToLower(setting.Name)) {
		return sqlscript.Literal(setting.Value)
	}
	elements := elementsOf(setting.Value)
	if len(elements) == 0 {
		return "''"
	}
	for n := range elements {
		elements[n] = sqlscript.Literal(elements[n])
	}
	return strings.Join(elements, ", ")
}

// librariesOf are the libraries that each session would have to load.
// Source: process_session_preload_libraries in src/backend/utils/init/miscinit.c
func librariesOf(setting manifest.Setting) []string {
	switch strings.ToLower(setting.Name) {
	case config.SessionLibraries:
		return elementsOf(setting.Value)
	case config.LocalLibraries:
		libraries := elementsOf(setting.Value)
		for n, library := range libraries {
			if !strings.Contains(library, "/") {
				libraries[n] = "$libdir/plugins/" + library
			}
		}
		return libraries
	}
	return nil
}

// elementsOf splits a list of identifiers, quoted or not.
// Source: SplitGUCList in src/bin/pg_dump/dumputils.c
func elementsOf(list string) (elements []string) {
	for list = strings.TrimLeft(list, " \t\r\n"); list != ""; {
		var element string
		if list[0] == '"' {
			element, list = quoted(list[1:])
		} else {
			end := strings.IndexAny(list, ", \t\r\n")
			if end < 0 {
				end = len(list)
			}
			element, list = list[:end], list[end:]
		}
		elements = append(elements, element)
		list = strings.TrimLeft(list, ", \t\r\n")
	}
	return elements
}

// quoted is the quoted identifier that text begins with, behind its first quote.
func quoted(text string) (name, rest string) {
	var out strings.Builder
	for {
		before, after, _ := strings.Cut(text, `"`)
		out.WriteString(before)
		if !strings.HasPrefix(after, `"`) {
			return out.String(), after
		}
		out.WriteByte('"')
		text = after[1:]
	}
}
