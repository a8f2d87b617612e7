package manifest

import (
	"context"
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgerrcode"
)

// How many databases are tried for the server-wide queries before giving up.
const maxMaintenanceTries = 10

// server is what is collected once.
type server struct {
	ServerVersion    *string `json:"server_version"`
	ServerVersionNum *int    `json:"server_version_num"`
	InRecovery       *bool   `json:"in_recovery"`

	systemIdentifier *string
	config           ClusterConfig
	roles            []Role
	tablespaces      []Tablespace
	databases        []databaseRow
	warnings         warnings
}

// databaseRow keeps the name as the server gave it, to connect with and to
// compare: decoding JSON replaces what is no UTF-8.
type databaseRow struct {
	name string
	info DatabaseInfo
}

// collectServer runs the server-wide queries. It does not fail: what it could
// not read is nil and has a warning.
func collectServer(ctx context.Context, c Connector, r Request) *server {
	found := &server{warnings: warnings{scope: "server"}}
	s := found.connect(ctx, c, r.Maintenance, r.Databases)
	if s == nil {
		return found
	}
	defer s.close()

	found.identity(ctx, s)
	found.readSystemIdentifier(ctx, s)
	found.settings(ctx, s)

	var err error
	if found.roles, err = list[Role](ctx, s, "roles"); err != nil {
		found.warnings.add("reading roles", err)
	}
	found.withRetry("reading tablespaces", func(details bool) error {
		found.tablespaces, err = list[Tablespace](ctx, s, "tablespaces", strconv.FormatBool(details))
		return err
	})
	found.listDatabases(ctx, s, r.Database)
	return found
}

// listDatabases lists the one that is named, "" for all of them.
func (f *server) listDatabases(ctx context.Context, s *session, only string) {
	f.withRetry("reading databases", func(details bool) (err error) {
		f.databases, err = readDatabases(ctx, s, details, only)
		if err == nil && details {
			f.warnMissingSizes()
		}
		return err
	})
}

// connect falls back to the databases of the backup: not everyone may connect
// to the maintenance database.
func (f *server) connect(ctx context.Context, c Connector, maintenance string, others []string) *session {
	tried := []string{}
	for _, name := range append([]string{maintenance}, others...) {
		if slices.Contains(tried, name) {
			continue
		}
		if len(tried) == maxMaintenanceTries || ctx.Err() != nil {
			break
		}
		tried = append(tried, name)
		s, err := openSession(ctx, c, name)
		if err == nil {
			return s
		}
		f.warnings.add("connecting to database "+name, err)
		if sqlState(err) == "" {
			break // no server answered, none will
		}
	}
	return nil
}

func (f *server) identity(ctx context.Context, s *session) {
	err := s.each(ctx, query("server", s.major), func(row [][]byte) error {
		return json.Unmarshal(row[0], f)
	})
	if err != nil {
		f.warnings.add("reading the server's version", err)
	}
}

func (f *server) readSystemIdentifier(ctx context.Context, s *session) {
	err := s.each(ctx, query("control", s.major), func(row [][]byte) error {
		id := string(row[0])
		f.systemIdentifier = &id
		return nil
	})
	if err != nil {
		f.warnings.add("reading the system identifier", err)
	}
}

// complete fills in what could not be read, but was known before.
func (f *server) complete(h Header) {
	if f.ServerVersion == nil && h.ServerVersion != "" {
		f.ServerVersion = &h.ServerVersion
	}
	if f.systemIdentifier == nil && h.SystemIdentifier != "" {
		f.systemIdentifier = &h.SystemIdentifier
	}
}

func (f *server) warnMissingSizes() {
	for _, d := range f.databases {
		if d.info.SizeBytes == nil {
			f.warnings.note(pgerrcode.InsufficientPrivilege,
				"size of database %s not read: it takes CONNECT on it or pg_read_all_stats", d.info.Name)
		}
	}
}

// withRetry runs a query that can do with fewer details.
func (f *server) withRetry(doing string, run func(details bool) error) {
	err := run(true)
	if err == nil {
		return
	}
	f.warnings.add(doing, err)
	if !canRetryWithoutDetails(err) {
		return
	}
	if err := run(false); err != nil {
		f.warnings.add(doing+" without details", err)
	}
}

func readDatabases(ctx context.Context, s *session, sizes bool, only string) ([]databaseRow, error) {
	found := []databaseRow{}
	err := s.each(ctx, query("databases", s.major), func(row [][]byte) error {
		d := databaseRow{name: string(row[0])}
		if err := json.Unmarshal(row[1], &d.info); err != nil {
			return err
		}
		found = append(found, d)
		return nil
	}, strconv.FormatBool(sizes), only)
	if err != nil {
		return nil, err
	}
	return found, nil
}

func (f *server) settings(ctx context.Context, s *session) {
	values := map[string]string{}
	err := s.each(ctx, query("settings", s.major), func(row [][]byte) error {
		if row[1] != nil {
			values[string(row[0])] = string(validUTF8(row[1]))
		}
		return nil
	})
	if err != nil {
		f.warnings.add("reading settings", err)
		return
	}
	var hidden []string
	text := func(name string) *string {
		value, ok := values[name]
		if !ok {
			hidden = append(hidden, name)
			return nil
		}
		return &value
	}
	f.config = ClusterConfig{
		DataDirectory:          text("data_directory"),
		Timezone:               text("timezone"),
		MaxConnections:         number(text("max_connections")),
		WALLevel:               text("wal_level"),
		ServerEncoding:         text("server_encoding"),
		DataChecksums:          boolean(text("data_checksums")),
		BlockSize:              number(text("block_size")),
		WALBlockSize:           number(text("wal_block_size")),
		SharedPreloadLibraries: text("shared_preload_libraries"),
		LCCollate:              text("lc_collate"),
		LCCtype:                text("lc_ctype"),
		ArchiveMode:            text("archive_mode"),
		ArchiveCommandSet:      boolean(text("archive_command")),
	}
	if len(hidden) > 0 {
		f.warnings.note(pgerrcode.InsufficientPrivilege, "settings not visible, it takes pg_read_all_settings: %s",
			strings.Join(hidden, ", "))
	}
}

func number(text *string) *int {
	if text == nil {
		return nil
	}
	n, err := strconv.Atoi(*text)
	if err != nil {
		return nil
	}
	return &n
}

func boolean(text *string) *bool {
	if text == nil {
		return nil
	}
	b := *text == "on" || *text == "true"
	return &b
}
