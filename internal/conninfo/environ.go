package conninfo

import (
	"context"
	"slices"
	"strings"
)

// fromEnviron reads libpq's variables into keywords.
func fromEnviron(environ []string) map[string]string {
	byVariable := variables()
	keywords := make(map[string]string)
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		if keyword, ok := byVariable[name]; ok && value != "" {
			keywords[keyword] = value
		}
	}
	return keywords
}

// overruling are libpq's variables for settings of a session: they would outrank what
// "options" says.
// Source: EnvironmentOptions in src/interfaces/libpq/fe-connect.c
var overruling = []string{"PGDATESTYLE", "PGTZ", "PGGEQO"}

// withoutParams drops libpq's variables: the tools shall see this Info's
// settings and nothing that was overridden.
func withoutParams(environ []string) []string {
	byVariable := variables()
	return slices.DeleteFunc(slices.Clone(environ), func(entry string) bool {
		name, _, _ := strings.Cut(entry, "=")
		_, ours := byVariable[name]
		return ours || slices.Contains(overruling, name)
	})
}

func variables() map[string]string {
	byVariable := make(map[string]string)
	for keyword, p := range params {
		if p.env != "" {
			byVariable[p.env] = keyword
		}
	}
	return byVariable
}

// Env is the whole environment for a client tool, with the password for
// connections it makes now. It must not be logged. It is refused where the tool could not work: see
// CheckTools.
func (i Info) Env(ctx context.Context) ([]string, error) {
	if err := i.CheckTools(ctx); err != nil {
		return nil, err
	}
	password, err := i.currentPassword(ctx)
	if err != nil {
		return nil, err
	}
	env := slices.Clone(i.environ)
	for keyword, value := range i.keywords {
		if name := params[keyword].env; name != "" && !slices.Contains([]string{"password", "options", "client_encoding"}, keyword) {
			env = append(env, name+"="+value)
		}
	}
	if options := i.AsTool().startOptions(); options != "" {
		env = append(env, "PGOPTIONS="+options)
	}
	// What pg_dump writes is in this encoding.
	if encoding := i.encoding(); encoding != "" {
		env = append(env, "PGCLIENTENCODING="+encoding)
	}
	if password != "" {
		env = append(env, "PGPASSWORD="+password)
	}
	slices.Sort(env)
	return env, nil
}

// ConnString is the argument for a tool's --dbname: the database's name, which
// a bare argument could not say for every name, and the few parameters that
// have no environment variable. None of it is secret.
func (i Info) ConnString() string {
	var words []string
	for keyword, value := range i.keywords {
		if keyword == "dbname" || params[keyword].env == "" {
			words = append(words, keyword+"="+quote(value))
		}
	}
	slices.Sort(words)
	return strings.Join(words, " ")
}

// quote writes a value for a keyword/value connection string.
// Source: https://www.postgresql.org/docs/18/libpq-connect.html#LIBPQ-CONNSTRING-KEYWORD-VALUE
func quote(value string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(value) + "'"
}
