package manifest

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"sync"
)

// ClusterRequest says what [WriteCluster] is to collect.
type ClusterRequest struct {
	// Maintenance is the database that the server-wide queries run in. When it
	// refuses the connection, the first of Databases are tried.
	Maintenance string
	// Files are the databases of the backup with the paths of their dumps.
	Files []File
	// PinnedSettings are recorded as they are.
	PinnedSettings map[string]string
	// SetInSession says that the sessions of the Connector are set up when they are there,
	// those of the client tools are not: these have what a new session has.
	SetInSession bool
	// AllRoles: the settings of all roles are collected. As those of single roles, which the
	// globals have, they may hold what an application keeps secret.
	AllRoles bool
	// Jobs is how many databases are looked into at the same time, at least one.
	Jobs int
}

// WriteCluster collects 00000-cluster.json from the server and writes it to w. Like
// [Write] it fails only when w fails or ctx ends. When it returns, all its sessions
// are closed.
func WriteCluster(ctx context.Context, w io.Writer, c Connector, r ClusterRequest) error {
	cluster := collectCluster(ctx, c, r)
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("writing the description of the cluster: %w", err)
	}
	out := json.NewEncoder(w)
	out.SetIndent("", indent)
	out.SetEscapeHTML(false)
	if err := out.Encode(cluster); err != nil {
		return fmt.Errorf("writing the description of the cluster: %w", err)
	}
	return nil
}

func collectCluster(ctx context.Context, c Connector, r ClusterRequest) *Cluster {
	names := make([]string, 0, len(r.Files))
	for _, file := range r.Files {
		names = append(names, file.Database)
	}
	server, allRoles := collectShared(ctx, c, r, names)
	infos := make(map[string]DatabaseInfo, len(server.databases))
	for _, row := range server.databases {
		infos[row.name] = row.info
	}
	cluster := &Cluster{
		Version: ClusterVersion, ServerVersion: server.ServerVersion, ServerVersionNum: server.ServerVersionNum,
		Databases: make([]ClusterDatabase, len(r.Files)), PinnedSettings: map[string]string{},
		AllRolesSettings: allRoles,
	}
	maps.Copy(cluster.PinnedSettings, r.PinnedSettings)
	found := make([]warnings, len(r.Files))
	slots := make(chan struct{}, max(r.Jobs, 1))
	var running sync.WaitGroup
	for n, file := range r.Files {
		d := &cluster.Databases[n]
		d.Path, d.DatabaseInfo = file.Path, infos[file.Database]
		d.Name = string(validUTF8([]byte(file.Database)))
		found[n].scope = "database " + d.Name
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
			continue
		}
		running.Go(func() {
			defer func() { <-slots }()
			d.collect(ctx, c, file.Database, r.SetInSession, &found[n])
		})
	}
	running.Wait()
	cluster.Warnings = append([]Warning{}, server.warnings.list...)
	for _, w := range found {
		cluster.Warnings = append(cluster.Warnings, w.list...)
	}
	return cluster
}

// collectShared asks for what can be seen of every database without a look into it, and for
// the settings that every role has, if these are wanted.
func collectShared(ctx context.Context, c Connector, r ClusterRequest, names []string) (*server, []Setting) {
	server := &server{warnings: warnings{scope: "server"}}
	s := server.connect(ctx, c, r.Maintenance, names)
	if s == nil {
		return server, nil
	}
	defer s.close()
	server.identity(ctx, s)
	only := ""
	if len(names) == 1 {
		only = names[0]
	}
	server.listDatabases(ctx, s, only)
	if !r.AllRoles {
		return server, nil
	}
	allRoles, err := list[Setting](ctx, s, "cluster_settings")
	if err != nil {
		server.warnings.add("reading the settings of all roles", err)
	}
	return server, allRoles
}

// collect looks into the database.
func (d *ClusterDatabase) collect(ctx context.Context, c Connector, name string, setInSession bool, w *warnings) {
	s, err := openSession(ctx, c, name)
	if err != nil {
		w.add("connecting", err)
		return
	}
	defer s.close()
	column := "setting"
	if setInSession {
		column = "reset_val"
	}
	err = s.each(ctx, "SELECT "+column+" FROM pg_settings WHERE name = 'lc_monetary'", func(row [][]byte) error {
		value := string(validUTF8(row[0]))
		d.LCMonetary = &value
		return nil
	})
	if err != nil {
		w.add("reading lc_monetary", err)
	}
	if d.Schemas, err = list[ClusterSchema](ctx, s, "cluster_schemas"); err != nil {
		w.add("reading schemas", err)
	}
	if d.ExtensionMembers, err = list[ExtensionMember](ctx, s, "cluster_members"); err != nil {
		w.add("reading which objects of extensions are used", err)
	}
	extensions, err := list[Extension](ctx, s, "extensions")
	if err != nil {
		w.add("reading extensions", err)
		return
	}
	d.Extensions = []string{}
	for _, e := range extensions {
		d.Extensions = append(d.Extensions, e.Name)
	}
}
