package conninfo

import (
	"context"
	"slices"
	"strings"

	"github.com/PlakarKorp/integration-postgresql/internal/settings"
)

// CheckTools fails if a connection pooler keeps from the client tools settings that they need
// in i's database: its own ones would reach them. Env does it as well.
func (i Info) CheckTools(ctx context.Context) error {
	if !i.noOptions || i.replication {
		return nil
	}
	asTheirs := i
	asTheirs.facts = nil // nothing is set in the session
	conn, err := asTheirs.Connect(ctx, i.keywords["dbname"])
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	s, err := inspect(ctx, conn)
	if err != nil {
		return err
	}
	return i.checkKept(s)
}

// checkKept fails if the client tools would have other values than they need of settings that
// matter, in sessions like the one that told s. The pooler may give them that one, or another one that
// it makes or made at another time: what the server has noted for new sessions counts, too.
func (i Info) checkKept(s state) error {
	// What the user's own options say does not arrive either.
	list := i.AsTool().with("options", "").pinned()
	users := settings.Parse(i.keywords["options"])
	list = slices.DeleteFunc(list, func(p settings.Setting) bool {
		value, given := users[strings.ToLower(p.Name)]
		return given && strings.EqualFold(value, s.values[p.Name].setting)
	})
	names := differing(list, s.values, true)
	for _, p := range list {
		// DateStyle may be noted in part.
		v, known := s.values[p.Name]
		noted, there := s.noted[p.Name]
		if there && known && v.setting == p.Value && p.Matters && !strings.HasPrefix(plain(p.Value), plain(noted)) {
			names = append(names, p.Name+"="+noted)
		}
	}
	if len(names) == 0 {
		return nil
	}
	return i.keepsSettings(names)
}

// plain writes a setting's value as one of the ways to write it.
func plain(value string) string {
	value = strings.ToLower(strings.ReplaceAll(value, " ", ""))
	switch value {
	case "on", "true", "yes":
		return "1"
	case "off", "false", "no":
		return "0"
	}
	// A time or a size of nothing.
	if strings.HasPrefix(value, "0") && strings.Trim(value[1:], "abcdefghijklmnopqrstuvwxyz") == "" {
		return "0"
	}
	return value
}
