package conninfo

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/PlakarKorp/integration-postgresql/internal/pgversion"
	"github.com/PlakarKorp/integration-postgresql/internal/settings"
)

// value is a setting of a session.
type value struct {
	setting string // as pg_settings shows it
	allowed bool   // the login may set it when it connects
}

// state is what a session tells of itself and its server.
type state struct {
	backend   string // process id, of the server behind a pooler
	values    map[string]value
	noted     map[string]string // by ALTER DATABASE and ALTER ROLE, for new sessions of the login in the database
	encodings map[string]string
	ownRole   map[string]bool
}

// inspect asks a session in one round trip and one transaction, and leaves nothing set:
// a pooler may give the next client the same session of the server.
func inspect(ctx context.Context, conn *pgx.Conn) (state, error) {
	s := state{values: make(map[string]value), noted: make(map[string]string), encodings: make(map[string]string), ownRole: make(map[string]bool)}
	results, err := conn.PgConn().Exec(ctx, inspection(conn.PgConn())).ReadAll()
	if err == nil && len(results) != questions {
		err = fmt.Errorf("%d answers to %d questions", len(results), questions)
	}
	if err != nil {
		return s, fmt.Errorf("asking the server for its settings: %w", err)
	}
	rows := func(n int, add func(row []string)) {
		for _, raw := range results[n].Rows {
			row := make([]string, len(raw))
			for c, text := range raw {
				row[c] = string(text)
			}
			add(row)
		}
	}
	rows(1, func(row []string) {
		s.backend = row[0]
		s.values[settings.Role.Name] = value{setting: row[1], allowed: true}
	})
	rows(2, func(row []string) { s.values[row[0]] = value{setting: row[1], allowed: row[2] == "t"} })
	rows(0, func(row []string) {
		// What they were before the questions.
		for n := 0; n+2 < len(row); n += 3 {
			v := s.values[row[n]]
			v.setting = row[n+1]
			s.values[row[n]] = v
		}
	})
	rows(3, func(row []string) { s.encodings[row[0]] = row[1] })
	rows(4, func(row []string) { s.ownRole[row[0]] = true })
	rows(5, func(row []string) { s.noted[row[0]] = row[1] }) // the last one counts
	return s, nil
}

// questions is how many there are in an inspection.
const questions = 6

// inspection is the questions of inspect. They are a transaction of their own.
func inspection(pg *pgconn.PgConn) string {
	major, err := pgversion.Major(pg.ParameterStatus("server_version"))
	if err != nil {
		major = 0
	}
	var local, names []string
	for _, s := range settings.Pinned {
		names = append(names, literal(s.Name))
		switch s.Name {
		case "statement_timeout", "lock_timeout", "transaction_timeout":
			if s.Since <= major {
				local = append(local, literal(s.Name)+", pg_catalog.current_setting("+literal(s.Name)+"), "+setConfig(s, true))
			}
		}
	}
	allowed := "context IN ('user', 'backend') OR (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = session_user)"
	const grantable = 15
	if major >= grantable {
		allowed += " OR pg_catalog.has_parameter_privilege(session_user, name, 'SET')"
	}
	return "SELECT " + strings.Join(local, ", ") + `;
		SELECT pg_catalog.pg_backend_pid(), CASE WHEN session_user = current_user THEN 'none' ELSE current_user END;
		SELECT name, setting, ` + allowed + ` FROM pg_catalog.pg_settings WHERE name IN (` + strings.Join(names, ", ") + `);
		SELECT datname, pg_catalog.pg_encoding_to_char(encoding) FROM pg_catalog.pg_database;
		SELECT coalesce(d.datname, '') FROM pg_catalog.pg_db_role_setting s
			JOIN pg_catalog.pg_roles r ON r.oid = s.setrole AND r.rolname = session_user
			LEFT JOIN pg_catalog.pg_database d ON d.oid = s.setdatabase
			WHERE EXISTS (SELECT FROM pg_catalog.unnest(s.setconfig) c WHERE c LIKE 'role=%');
		SELECT pg_catalog.split_part(c, '=', 1), pg_catalog.substr(c, pg_catalog.strpos(c, '=') + 1)
			FROM pg_catalog.pg_db_role_setting s, pg_catalog.unnest(s.setconfig) c
			WHERE s.setdatabase IN (0, (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()))
				AND s.setrole IN (0, (SELECT oid FROM pg_catalog.pg_roles WHERE rolname = session_user))
			ORDER BY s.setrole <> 0, s.setdatabase <> 0`
}

// learn is what s says about the sessions that follow.
func (s state) learn() *facts {
	f := &facts{encodings: s.encodings, ownRole: s.ownRole}
	for _, p := range settings.Pinned {
		if s.values[p.Name].allowed {
			f.pinned = append(f.pinned, p)
		}
	}
	if beyond := s.beyond(); len(beyond) > 0 {
		slog.Warn("this role's sessions have settings that can end a backup or a restore, or change what is saved or restored, and that only a superuser may change: " + strings.Join(beyond, ", "))
	}
	return f
}

// beyond are the settings that matter and have another value, which the role may not change.
func (s state) beyond() (names []string) {
	for _, p := range settings.Pinned {
		if v, known := s.values[p.Name]; known && !v.allowed && p.Matters && v.setting != p.Value {
			names = append(names, p.Name+"="+v.setting)
		}
	}
	return names
}

// settle makes what was learnt of the server with conn, a session of i, count: for conn
// as well, which it closes when another takes its place.
func (i Info) settle(ctx context.Context, conn *pgx.Conn) (Info, *pgx.Conn, error) {
	fail := func(err error) (Info, *pgx.Conn, error) {
		return Info{}, nil, errors.Join(err, conn.Close(context.WithoutCancel(ctx)))
	}
	s, err := inspect(ctx, conn)
	if err != nil {
		return fail(err)
	}
	if pooled := s.backend != fmt.Sprint(conn.PgConn().PID()); pooled {
		if err := i.checkPooler(ctx, conn, s); err != nil {
			return fail(err)
		}
	}
	// Those of the options have not arrived, whatever is in between.
	if len(differing(i.pinned(), s.values, false)) > 0 {
		i = i.withoutOptions()
	}
	i.facts = s.learn()
	if i.noOptions {
		if err := i.checkKept(s); err != nil {
			return fail(err)
		}
	}
	if !i.noOptions && !i.unsettled(s) {
		enableConnectionCheck(ctx, conn)
		return i, conn, nil
	}
	if err := conn.Close(ctx); err != nil {
		return Info{}, nil, err
	}
	conn, err = i.Connect(ctx, i.keywords["dbname"])
	return i, conn, err
}

// unsettled reports whether the session that told s lacks what others are given.
func (i Info) unsettled(s state) bool {
	for _, p := range i.pinned() {
		if s.values[p.Name].setting != p.Value {
			return true
		}
	}
	return false
}
