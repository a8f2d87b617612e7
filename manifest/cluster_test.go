package manifest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/PlakarKorp/integration-postgresql/manifest"
)

// collectCluster writes a 00000-cluster.json, checks it against its schema and the
// types, and reads it.
func collectCluster(t *testing.T, c manifest.Connector, files ...manifest.File) *manifest.Cluster {
	t.Helper()
	var out bytes.Buffer
	request := manifest.ClusterRequest{Maintenance: "postgres", Files: files, PinnedSettings: map[string]string{"datestyle": "ISO"}, AllRoles: files[0].Database == "shop", Jobs: 2}
	if err := manifest.WriteCluster(t.Context(), &out, c, request); err != nil {
		t.Fatal(err)
	}
	validateWith(t, manifest.SchemaOfCluster(), out.String())
	strict := json.NewDecoder(bytes.NewReader(out.Bytes()))
	strict.DisallowUnknownFields()
	if err := strict.Decode(new(manifest.Cluster)); err != nil {
		t.Fatalf("the types do not fit the description: %v", err)
	}
	cluster, err := manifest.ReadCluster(&out)
	if err != nil {
		t.Fatal(err)
	}
	return cluster
}

// settingConnector sets up its sessions itself, as is done where a connection pooler drops their options.
type settingConnector struct{ connector }

func (c settingConnector) Connect(ctx context.Context, database string) (*pgx.Conn, error) {
	conn, err := c.connector.Connect(ctx, database)
	if err == nil {
		_, err = conn.Exec(ctx, "SET lc_monetary = 'C'")
	}
	return conn, err
}

func TestCluster(t *testing.T) {
	s := start(t)
	s.Exec(t, "postgres", `CREATE ROLE keeper; CREATE ROLE reader; CREATE ROLE beside LOGIN`)
	s.database(t, "shop", "OWNER keeper")
	s.database(t, "other", "")
	s.Exec(t, "shop", `CREATE SCHEMA app AUTHORIZATION keeper; COMMENT ON SCHEMA app IS 'ours';
		GRANT USAGE ON SCHEMA app TO reader WITH GRANT OPTION; GRANT USAGE ON SCHEMA app TO PUBLIC;
		CREATE SCHEMA shut; REVOKE ALL ON SCHEMA shut FROM postgres; DROP SCHEMA public;
		DROP EXTENSION plpgsql; CREATE EXTENSION unaccent SCHEMA app;
		ALTER DATABASE shop SET lc_monetary = 'C.UTF-8'; ALTER ROLE reader SET work_mem = '1MB'; ALTER ROLE ALL IN DATABASE shop SET work_mem = '2MB';
		ALTER ROLE ALL SET search_path = "$user", 'it''s'; ALTER ROLE ALL SET app.note = 'a=b ü'`)
	cluster := collectCluster(t, connector{s, "postgres"}, manifest.File{Path: "/00001-shop.dump", Database: "shop"})
	if len(cluster.Databases) != 1 || len(cluster.Warnings) != 0 || value(cluster.ServerVersionNum)/10000 != s.Major {
		t.Fatal(asJSON(cluster))
	}
	if cluster.PinnedSettings["datestyle"] != "ISO" {
		t.Errorf("pinned settings: %v", cluster.PinnedSettings)
	}
	same(t, "settings of all roles", cluster.AllRolesSettings, `[{"name":"search_path","value":"\"$user\", \"it's\""},{"name":"app.note","value":"a=b ü"}]`)
	d := cluster.Databases[0]
	if d.Path != "/00001-shop.dump" || d.Name != "shop" || value(d.Owner) != "keeper" || value(d.SizeBytes) < 1<<20 ||
		value(d.Encoding) != "UTF8" || value(d.Collate) != "C" || value(d.LocaleProvider) != "libc" || value(d.LCMonetary) != "C.UTF-8" {
		t.Errorf("database: %s", asJSON(d))
	}
	same(t, "schemas", d.Schemas, `[`+
		`{"name":"app","owner":"keeper","grants":[`+
		`{"grantee":"keeper","grantor":"keeper","privilege":"USAGE","grantable":false},{"grantee":"keeper","grantor":"keeper","privilege":"CREATE","grantable":false},`+
		`{"grantee":"reader","grantor":"keeper","privilege":"USAGE","grantable":true},`+
		`{"grantee":"public","grantor":"keeper","privilege":"USAGE","grantable":false}],"comment":"ours","extension":null},`+
		`{"name":"shut","owner":"postgres","grants":[],"comment":null,"extension":null}]`)

	same(t, "extensions", d.Extensions, `["unaccent"]`)
	same(t, "extension_members", d.ExtensionMembers, `[]`)

	// What a role may not see is missing, and said.
	s.Exec(t, "postgres", `REVOKE CONNECT ON DATABASE other FROM PUBLIC; REVOKE EXECUTE ON FUNCTION pg_database_size(oid) FROM PUBLIC`)
	cluster = collectCluster(t, connector{s, "beside"},
		manifest.File{Path: "/00001-other.dump", Database: "other"}, manifest.File{Path: "/00002-shop.dump", Database: "shop"})
	if other := cluster.Databases[0]; cluster.AllRolesSettings != nil || other.Schemas != nil || other.Extensions != nil || other.SizeBytes != nil || other.Owner == nil {
		t.Errorf("other: %s", asJSON(other))
	}
	if len(cluster.Databases[1].Schemas) != 2 {
		t.Errorf("shop: %s", asJSON(cluster.Databases[1]))
	}
	warned(t, &manifest.Document{Warnings: cluster.Warnings}, "database other", "42501", "connecting")
	noSessions(t, s)
}

func TestReadClusterRefuses(t *testing.T) {
	for text, want := range map[string]string{
		``: "EOF", `{"version": 1, "databases": [`: "EOF", `{}`: "version is 0", `{"version": 2}`: "version is 2", `[]`: "cannot unmarshal",
		`{"version": 1, "databases": "` + strings.Repeat("x", 64<<20) + `"}`: "longer than 64 MiB",
	} {
		if _, err := manifest.ReadCluster(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40s gives %v, want %q", text, err, want)
		}
	}
	if c, err := manifest.ReadCluster(strings.NewReader(fmt.Sprintf(`{"version": %d, "future": 1, "databases": null}`, manifest.ClusterVersion))); err != nil {
		t.Error(c, err)
	}
}

// The client tools do not have what is set in a session of ours.
func TestClusterThroughPooler(t *testing.T) {
	s := start(t)
	s.database(t, "shop", "")
	s.Exec(t, "postgres", "ALTER DATABASE shop SET lc_monetary = 'C.UTF-8'")
	for setInSession, want := range map[bool]string{false: "C", true: "C.UTF-8"} {
		var out bytes.Buffer
		request := manifest.ClusterRequest{Files: []manifest.File{{Database: "shop"}}, SetInSession: setInSession}
		if err := manifest.WriteCluster(t.Context(), &out, settingConnector{connector{s, "postgres"}}, request); err != nil {
			t.Fatal(err)
		}
		if cluster, err := manifest.ReadCluster(&out); err != nil || value(cluster.Databases[0].LCMonetary) != want {
			t.Errorf("set in the session %t: lc_monetary %v, want %s: %v", setInSession, cluster.Databases[0].LCMonetary, want, err)
		}
	}
}
