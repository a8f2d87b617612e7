package manifest

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// ClusterVersion is the version of 00000-cluster.json that this package writes, and
// the only one it reads. Added fields do not change it.
const ClusterVersion = 1

// maxCluster is how long a 00000-cluster.json may be, in bytes: a reader holds it in
// memory, and what is in a snapshot may come from anywhere. A schema takes about 300.
const maxCluster = 64 << 20

// Cluster is 00000-cluster.json: what a restore needs to know of the server before it
// runs anything, while manifest.json reaches it last. A nil pointer or slice is null:
// not known, or not applicable where the field says so.
type Cluster struct {
	Version          int     `json:"version"`
	ServerVersion    *string `json:"server_version"`
	ServerVersionNum *int    `json:"server_version_num"`
	// Databases are those of the backup, in the order of their names.
	Databases []ClusterDatabase `json:"databases"`
	// PinnedSettings are the settings, with their values, that the sessions of the backup
	// were given, whatever the server, a database or a role sets: of a backup through a
	// connection pooler only those that it was made sure of. The encoding is that of each
	// database.
	PinnedSettings map[string]string `json:"pinned_settings"`
	// AllRolesSettings are those that ALTER ROLE ALL SET gives every role in every database,
	// which neither pg_dumpall nor pg_dump writes; nil where the snapshot has no globals.
	AllRolesSettings []Setting `json:"all_roles_settings"`
	Warnings         []Warning `json:"warnings"`
}

// Setting is a configuration parameter with its value, as the catalogue has it.
type Setting struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// ClusterDatabase is a database of the backup.
type ClusterDatabase struct {
	// Path is that of its dump in the snapshot, or of the directory with the parts.
	// Unlike the name it is exact for names that are not UTF-8.
	Path string `json:"path"`
	DatabaseInfo
	// LCMonetary is the setting that the values of type money in the dump are written in.
	LCMonetary *string `json:"lc_monetary"`
	// Schemas are all but the system's, whatever the backup selects; nil when the
	// database could not be looked into.
	Schemas []ClusterSchema `json:"schemas"`
	// Extensions are the names of all, also of those that no dump has as a new database has
	// them; nil when the database could not be looked into.
	Extensions []string `json:"extensions"`
	// ExtensionMembers are objects of extensions that others of the database refer to; nil
	// when the database could not be looked into, and in older snapshots.
	ExtensionMembers []ExtensionMember `json:"extension_members"`
}

// ExtensionMember is an object that an extension made, of whatever kind. Several may have the
// same name.
type ExtensionMember struct {
	Extension string `json:"extension"`
	Schema    string `json:"schema"`
	Name      string `json:"name"`
}

// ClusterSchema is a schema (namespace) of a database.
type ClusterSchema struct {
	Name  string `json:"name"`
	Owner string `json:"owner"`
	// Grants are the privileges in force, those that its owner has included.
	Grants []Grant `json:"grants"`
	// Comment is nil for none.
	Comment *string `json:"comment"`
	// Extension is the one that made the schema, nil for none.
	Extension *string `json:"extension"`
}

// Grant is a privilege that a role has.
type Grant struct {
	// Grantee is "public" for all roles: no role can have that name.
	Grantee string `json:"grantee"`
	Grantor string `json:"grantor"`
	// Privilege is "USAGE" or "CREATE".
	Privilege string `json:"privilege"`
	// Grantable is true WITH GRANT OPTION.
	Grantable bool `json:"grantable"`
}

// ReadCluster decodes a 00000-cluster.json. Unknown fields are ignored, another
// version is an error, as is a file of more than 64 MiB.
func ReadCluster(r io.Reader) (*Cluster, error) {
	var c Cluster
	limited := &io.LimitedReader{R: r, N: maxCluster + 1}
	err := json.NewDecoder(limited).Decode(&c)
	switch {
	case limited.N <= 0:
		return nil, fmt.Errorf("reading the description of the cluster: it is longer than %d MiB", maxCluster>>20)
	case errors.Is(err, io.EOF):
		return nil, fmt.Errorf("reading the description of the cluster: %w", io.ErrUnexpectedEOF)
	case err != nil:
		return nil, fmt.Errorf("reading the description of the cluster: %w", err)
	case c.Version != ClusterVersion:
		return nil, fmt.Errorf("reading the description of the cluster: its version is %d, only version %d is understood", c.Version, ClusterVersion)
	}
	return &c, nil
}
