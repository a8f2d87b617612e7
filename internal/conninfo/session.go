package conninfo

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/PlakarKorp/integration-postgresql/internal/settings"
)

// facts are what was learnt of a server by Dial, for the sessions and tools that follow.
// They are not changed afterwards.
type facts struct {
	pinned    []settings.Setting // what the server knows and lets the role set
	encodings map[string]string  // by database
	// ownRole are the databases in which ALTER ROLE gives the login another role; "" is
	// all of them.
	ownRole map[string]bool
}

// withoutOptions is for a connection pooler that keeps our settings from the server.
func (i Info) withoutOptions() Info {
	i.noOptions = true
	return i
}

// AsTool returns i for sessions with the settings that the client tools are given.
func (i Info) AsTool() Info {
	i.asTool = true
	return i
}

// DropsOptions reports whether a connection pooler keeps our settings from the server: the
// tools' sessions do not have them.
func (i Info) DropsOptions() bool { return i.noOptions }

// WithSettings returns i for sessions and tools that are given other values of pinned
// settings. A session that the role may not give one of them is refused by the server; a
// connection pooler may drop them.
func (i Info) WithSettings(values map[string]string) Info {
	i.values = values
	return i
}

// WithoutEventTriggers returns i for sessions and tools that fire no event triggers, if the role may have that:
// those of logins would be for each of our connections. It is for an Info that Dial returned.
func (i Info) WithoutEventTriggers() Info {
	const name = "event_triggers"
	if i.facts == nil || !slices.ContainsFunc(i.facts.pinned, func(s settings.Setting) bool { return s.Name == name }) {
		return i
	}
	return i.WithSettings(map[string]string{name: "off"})
}

// pinned are the settings of ours for a session; the user's own ones are not among them.
func (i Info) pinned() []settings.Setting {
	list := settings.Base()
	if i.facts != nil {
		list = slices.Clone(i.facts.pinned)
		if !i.facts.ownRole[""] && !i.facts.ownRole[i.keywords["dbname"]] {
			// A role that a database gives to all its sessions. The login's own stays: it
			// may be how it gets its rights.
			list = append(list, settings.Role)
		}
	}
	list = i.withValues(list)
	if i.replication {
		list = slices.DeleteFunc(list, func(s settings.Setting) bool { return !s.Walsender })
	}
	if i.asTool {
		list = slices.DeleteFunc(list, func(s settings.Setting) bool { return s.NotTools })
	}
	return settings.Without(list, settings.Parse(i.keywords["options"]))
}

// withValues gives list the values of WithSettings.
func (i Info) withValues(list []settings.Setting) []settings.Setting {
	if len(i.values) == 0 {
		return list
	}
	var given []settings.Setting
	for _, s := range settings.Pinned {
		if value, ok := i.values[s.Name]; ok {
			s.Value = value
			given = append(given, s)
		}
	}
	return append(slices.DeleteFunc(slices.Clone(list), func(s settings.Setting) bool {
		_, ok := i.values[s.Name]
		return ok
	}), given...)
}

// startOptions is the parameter "options" of a new connection.
func (i Info) startOptions() string {
	if i.noOptions {
		return i.keywords["options"]
	}
	return settings.Options(i.pinned(), i.keywords["options"])
}

// Settings are the pinned settings that the sessions of ours and of the client tools are
// given when they connect to i's database, as the user's own options leave them. They are
// complete in an Info that Dial returned. What else the user sets is not among them: it
// may be a secret. Where a connection pooler drops what is given, they are only those that
// CheckTools looks for.
func (i Info) Settings() map[string]string {
	all := make(map[string]string)
	users := settings.Parse(i.keywords["options"])
	for _, s := range i.with("options", "").pinned() {
		value, given := users[strings.ToLower(s.Name)]
		switch {
		case i.noOptions && (given || !s.Matters):
		case given:
			all[s.Name] = value
		default:
			all[s.Name] = s.Value
		}
	}
	if encoding := i.encoding(); encoding != "" {
		all["client_encoding"] = encoding
	}
	return all
}

// encoding is that of i's database, "" if it is not known.
func (i Info) encoding() string {
	if i.facts == nil || i.replication {
		return ""
	}
	return i.facts.encodings[i.keywords["dbname"]]
}

// setHere sets in a session what a pooler kept from it.
func (i Info) setHere(ctx context.Context, conn *pgx.Conn) error {
	if !i.noOptions {
		return nil
	}
	var calls []string
	for _, s := range i.pinned() {
		if !s.AtStart {
			calls = append(calls, setConfig(s, false))
		}
	}
	if _, err := conn.PgConn().Exec(ctx, "SELECT "+strings.Join(calls, ", ")).ReadAll(); err != nil {
		return fmt.Errorf("setting up the session: %w", err)
	}
	return nil
}

// setConfig is the call that gives s its value, in this transaction only if local is true.
func setConfig(s settings.Setting, local bool) string {
	return fmt.Sprintf("pg_catalog.set_config(%s, %s, %t)", literal(s.Name), literal(s.Value), local)
}

// literal writes a string without backslashes, which mean the same whatever
// standard_conforming_strings says.
func literal(text string) string { return "'" + strings.ReplaceAll(text, "'", "''") + "'" }

// differing are those of list, or those of them that matter, that have another value in
// the session that values was read in.
func differing(list []settings.Setting, values map[string]value, matter bool) []string {
	var names []string
	for _, s := range list {
		v, known := values[s.Name]
		if known && v.setting != s.Value && (s.Matters || !matter) {
			names = append(names, s.Name+"="+cmp.Or(v.setting, "''"))
		}
	}
	return names
}
