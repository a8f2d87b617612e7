package manifest

import "time"

// Version is the version of the document that this package writes, and the only
// one it reads. Added fields do not change it.
const Version = 2

// Document is manifest.json. A nil pointer or slice is null: not known, or not
// applicable where the field says so.
type Document struct {
	Version   int       `json:"version"`
	CreatedAt time.Time `json:"created_at"`
	// Connector is "postgres", "postgres+aws", "postgres+bin" or "postgres+wal".
	Connector string `json:"connector"`
	Host      string `json:"host"`
	Port      int    `json:"port"`

	ServerVersion    *string `json:"server_version"`
	ServerVersionNum *int    `json:"server_version_num"`

	// The version of the tool that made the backup, one of them.
	PgDumpVersion       string `json:"pg_dump_version,omitempty"`
	PgBasebackupVersion string `json:"pg_basebackup_version,omitempty"`

	// ClusterSystemIdentifier is a 64-bit number, as a string because JSON
	// readers round large numbers.
	ClusterSystemIdentifier *string `json:"cluster_system_identifier"`
	InRecovery              *bool   `json:"in_recovery"`

	// Base is the base backup, of physical backups only; nil for a server before
	// PostgreSQL 13, and in snapshots made before this field was.
	Base *Base `json:"base,omitempty"`

	// WAL is what there is of the WAL, of backups of the WAL only.
	WAL *WAL `json:"wal,omitempty"`

	// Database is the one selected, nil for all of them.
	Database *string `json:"database"`
	// DumpFormat is "custom", "basebackup" or "wal".
	DumpFormat string `json:"dump_format"`
	// Options are the effective options of the backup that are no secrets.
	Options map[string]any `json:"options"`
	// Files are the dumps, and parts of dumps, that the snapshot was planned to hold.
	Files []File `json:"files"`

	ClusterConfig ClusterConfig `json:"cluster_config"`
	Roles         []Role        `json:"roles"`
	Tablespaces   []Tablespace  `json:"tablespaces"`
	Databases     []Database    `json:"databases"`

	// Warnings come last, for they are complete only when everything else is.
	Warnings []Warning `json:"warnings"`
}

// Base is where a base backup lies in the server's WAL.
type Base struct {
	// StartLSN and EndLSN are like "16/B374D848": recovery begins at the first, and the
	// data is consistent from the second on.
	StartLSN string `json:"start_lsn"`
	EndLSN   string `json:"end_lsn"`
	// Timeline is that of EndLSN.
	Timeline uint32 `json:"timeline"`
	// EndTime is the server's clock when the backup had ended, nil when the role may not
	// ask for it: no earlier moment can be recovered to.
	EndTime *time.Time `json:"end_time"`
}

// File is a planned dump, a part of one, or the globals (roles and tablespaces).
type File struct {
	// Path is absolute in the snapshot.
	Path string `json:"path"`
	// Database is "" for the globals.
	Database string `json:"database"`
}

// ClusterConfig is the part of the server's configuration that matters to a
// restore. A field is nil when the role may not see it.
type ClusterConfig struct {
	DataDirectory  *string `json:"data_directory"`
	Timezone       *string `json:"timezone"`
	MaxConnections *int    `json:"max_connections"`
	WALLevel       *string `json:"wal_level"`
	// ServerEncoding, LCCollate and LCCtype are what initdb was told, taken from
	// template0; each database has its own.
	ServerEncoding         *string `json:"server_encoding"`
	DataChecksums          *bool   `json:"data_checksums"`
	BlockSize              *int    `json:"block_size"`
	WALBlockSize           *int    `json:"wal_block_size"`
	SharedPreloadLibraries *string `json:"shared_preload_libraries"`
	LCCollate              *string `json:"lc_collate"`
	LCCtype                *string `json:"lc_ctype"`
	ArchiveMode            *string `json:"archive_mode"`
	// ArchiveCommandSet says that there is one; its text may hold secrets.
	ArchiveCommandSet *bool `json:"archive_command_set"`
}

// Role is a role of the cluster, predefined ones (pg_*) excepted.
type Role struct {
	Name        string `json:"name"`
	Superuser   bool   `json:"superuser"`
	Replication bool   `json:"replication"`
	CanLogin    bool   `json:"can_login"`
	CreateDB    bool   `json:"create_db"`
	CreateRole  bool   `json:"create_role"`
	Inherit     bool   `json:"inherit"`
	BypassRLS   bool   `json:"bypass_rls"`
	// ConnectionLimit is -1 for none.
	ConnectionLimit int `json:"connection_limit"`
	// ValidUntil is a timestamp or "infinity", nil when the password does not
	// expire.
	ValidUntil *string `json:"valid_until"`
	// MemberOf are the roles it is a direct member of, predefined ones included.
	MemberOf []string `json:"member_of"`
}

// Tablespace is a tablespace of the cluster, the two built-in ones included.
type Tablespace struct {
	// OID is the directory's name in pg_tblspc; 0 in snapshots made before this field was.
	OID   uint32 `json:"oid,omitempty"`
	Name  string `json:"name"`
	Owner string `json:"owner"`
	// Location is nil for the built-in ones.
	Location *string `json:"location"`
	// Options are written as in the catalogue: "seq_page_cost=2".
	Options []string `json:"options"`
}

// Database is an entry of the databases list.
type Database struct {
	DatabaseInfo
	// The lists are nil when the database was not looked into: it is not part
	// of the backup, or a warning says why.
	Extensions []Extension    `json:"extensions"`
	Schemas    []SchemaObject `json:"schemas"`
	Relations  []Relation     `json:"relations"`
}

// DatabaseInfo is what every session can see of any database.
type DatabaseInfo struct {
	Name     string  `json:"name"`
	Owner    *string `json:"owner"`
	Encoding *string `json:"encoding"`
	Collate  *string `json:"collate"`
	Ctype    *string `json:"ctype"`
	// LocaleProvider is "libc", "icu" or "builtin".
	LocaleProvider *string `json:"locale_provider"`
	// Locale is that of ICU or of the built-in provider, nil for libc.
	Locale *string `json:"locale"`
	// ICURules are an ICU locale's own collation rules; nil before PostgreSQL 16 and
	// for none.
	ICURules *string `json:"icu_rules"`
	// CollationVersion is what the provider called itself when the database was
	// created; nil before PostgreSQL 15 and for locales without one.
	CollationVersion  *string `json:"collation_version"`
	AllowConn         *bool   `json:"allow_conn"`
	IsTemplate        *bool   `json:"is_template"`
	DefaultTablespace *string `json:"default_tablespace"`
	// ConnectionLimit is -1 for none, -2 for a database left invalid by an
	// interrupted DROP DATABASE.
	ConnectionLimit *int   `json:"connection_limit"`
	SizeBytes       *int64 `json:"size_bytes"`
}

// Extension is an extension installed in a database.
type Extension struct {
	Name    string  `json:"name"`
	Version string  `json:"version"`
	Schema  *string `json:"schema"`
}

// SchemaObject is a schema (namespace) of a database.
type SchemaObject struct {
	Name  string `json:"name"`
	Owner string `json:"owner"`
}

// Warning is something that the manifest does not hold, or that its reader
// should know.
type Warning struct {
	// Scope is "backup", "server" or "database NAME".
	Scope   string `json:"scope"`
	Message string `json:"message"`
	// SQLState is the server's error code, nil when the server did not answer.
	SQLState *string `json:"sqlstate"`
}
