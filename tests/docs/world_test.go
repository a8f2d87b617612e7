package docs

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/PlakarKorp/integration-postgresql/tests/harness"
	"github.com/PlakarKorp/integration-postgresql/tests/rds"
)

// world is what the documents talk about: a server to back up, db.example.com, with the
// database shop; one to restore into, new.example.com; both behind endpoints of a pretended
// RDS as well; and a machine with plakar, whose directories are below root.
type world struct {
	t              *testing.T
	source, target *harness.Server
	plakar         *harness.Plakar
	root           string
	work           string // where the commands run
	config         string // a copy of plakar's configuration as the README leaves it
	recovered      int    // port of the server that is started on a restored directory
	names          []string
	snapshot       string          // the logical one that the README makes
	service        string          // a command that runs all the time: pg_receivewal
	ran            map[string]bool // commands that the documents have more than once
}

// region is the one of the documents' endpoints.
const region = "eu-west-1"

func newWorld(t *testing.T) *world {
	t.Helper()
	small := harness.InitdbArgs("--wal-segsize=1") // a base backup switches to another segment
	wal := harness.Conf("full_page_writes = on", "synchronous_commit = on", "archive_timeout = 0")
	w := &world{t: t, source: harness.Start(t, harness.TLS(), wal, small), target: harness.Start(t, harness.TLS()), ran: make(map[string]bool)}
	w.plakar = harness.NewPlakar(t)
	w.root = w.source.Dir(t, "root")
	w.check(os.Chmod(w.root, 0o755))
	w.work, w.config = filepath.Join(w.root, "work"), filepath.Join(w.plakar.Home, "config-of-readme")
	w.recovered = harness.FreePort(t)
	w.fill()
	from, to := rds.Start(t, w.source), rds.Start(t, w.target)
	for _, endpoint := range []*rds.Proxy{from, to} {
		policy := endpoint.Policy()
		policy.Region, policy.Key = region, from.Policy().Key
		endpoint.SetPolicy(policy)
	}
	w.secrets(from)
	w.programs()
	w.names = w.table(from, to)
	w.plakar.Env = append(w.plakar.Env,
		"PATH="+w.path("bin")+":"+w.source.BinDir+":"+os.Getenv("PATH"), "AWS_EC2_METADATA_DISABLED=true",
		// What psql and pg_restore connect to without being told.
		"PGHOST="+w.target.SocketDir, "PGPORT="+strconv.Itoa(w.target.Port), "PGUSER=postgres",
		"DOCS_SOURCE="+w.source.SocketDir, "DOCS_SOURCE_PORT="+strconv.Itoa(w.source.Port), "DOCS_RECOVERED_PORT="+strconv.Itoa(w.recovered))
	t.Cleanup(w.stop)
	return w
}

func (w *world) check(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// path is where something of the documents' machine really is.
func (w *world) path(name string) string { return filepath.Join(w.root, name) }

// write makes a file of the documents' machine.
func (w *world) write(name, content string, mode os.FileMode) {
	w.t.Helper()
	w.check(os.MkdirAll(filepath.Dir(name), 0o755))
	w.check(os.WriteFile(name, []byte(content), mode))
	w.check(os.Chmod(name, mode))
}

// fill makes what is on the servers before a document begins: among it a table that is large
// enough for layout=tables, mostly by what updates leave behind.
func (w *world) fill() {
	harness.Shop(w.t, w.source, "shop")
	w.source.Exec(w.t, "shop", `DO $$ BEGIN
		WHILE pg_table_size('orders') < 9 * 1024 * 1024 LOOP UPDATE orders SET status = status; END LOOP;
	END $$`)
	w.source.Exec(w.t, "postgres", "CREATE TABLE clock (v text)")
	for _, server := range []*harness.Server{w.source, w.target} {
		server.Exec(w.t, "postgres", "CREATE ROLE rds_iam")
	}
	w.target.Exec(w.t, "postgres", "CREATE ROLE restorer LOGIN CREATEDB CREATEROLE")
}

// secrets gives the passwords and keys that the documents expect where they expect them.
func (w *world) secrets(endpoint *rds.Proxy) {
	password := strings.NewReplacer(`\`, `\\`, ":", `\:`).Replace(w.source.Password)
	w.write(filepath.Join(w.plakar.Home, ".pgpass"), "*:*:*:backup:secret\n*:*:*:postgres:"+password+"\n", 0o600)
	key := endpoint.Policy().Key
	keys := fmt.Sprintf("aws_access_key_id = %s\naws_secret_access_key = %s\n", key.ID, key.Secret)
	w.write(filepath.Join(w.plakar.Home, ".aws", "credentials"), "[default]\n"+keys+"[backup]\n"+keys, 0o600)
	ca, err := os.ReadFile(w.source.Certs.CA)
	w.check(err)
	w.write(w.path("etc/ssl/db-ca.pem"), string(ca), 0o644)
	w.write(w.path("etc/ssl/rds.pem"), string(ca), 0o644)
}

// programs makes those that stand for what cannot be had here: sudo, and pg_ctl and
// pg_receivewal as they are but for where they listen and when they end.
func (w *world) programs() {
	become := ""
	if os.Getuid() == 0 {
		uid := harness.ServerUID(w.t)
		become = fmt.Sprintf("setpriv --reuid=%d --regid=%d --clear-groups ", uid, uid)
	} else { // only root may give files away
		w.write(w.path("bin/chown"), "#!/bin/sh\n", 0o755)
	}
	for name, script := range map[string]string{
		"sudo":   `if [ "$1" = -u ]; then shift 2; cd /; exec ` + become + `"$@"; fi; exec "$@"`,
		"newest": `plakar ls -type "$1" -latest | awk '{ print $2 }'`,
		"pg_ctl": fmt.Sprintf(`PGPORT=$DOCS_RECOVERED_PORT exec '%s' -w -t 120 -l '%s' "$@"`, w.source.Tool("pg_ctl"), w.path("log/recovered")),
		// To the end of the WAL of this moment, in a segment that is complete.
		"pg_receivewal": fmt.Sprintf(`case " $* " in *" --create-slot "*) ;; *)
			set -- "$@" --no-loop --endpos="$(psql -XAtq -h "$DOCS_SOURCE" -p "$DOCS_SOURCE_PORT" -d postgres -c 'SELECT pg_switch_wal()' \
				-c "SELECT pg_logical_emit_message(true, 'docs', '')" | tail -n 1)"
			esac; exec '%s' "$@"`, w.source.Tool("pg_receivewal")),
	} {
		w.write(w.path("bin/"+name), "#!/bin/sh\n"+script+"\n", 0o755)
	}
	w.check(os.Symlink(w.plakar.Command().Path, w.path("bin/plakar")))
}

// table has what stands here for the names in the documents, longer ones first.
func (w *world) table(from, to *rds.Proxy) []string {
	address := func(host string, port int) string { return host + ":" + strconv.Itoa(port) }
	source, target := address(w.source.Host, w.source.Port), address(w.target.Host, w.target.Port)
	endpoint := "mydb.c9akciq32." + region + ".rds.amazonaws.com"
	owner := fmt.Sprintf("owner=%d", harness.ServerUID(w.t))
	names := []string{
		"db.example.com", source, "new.example.com", target, "dev.example.com", target,
		"restorer@" + endpoint, "restorer@" + address(to.Host, to.Port),
		endpoint + ":5432", address(from.Host, from.Port), endpoint, address(from.Host, from.Port),
		"'...'", "'secret'",
		// Servers of the default owner run here, so that a check as root has to be told.
		"postgres+check:///var/tmp", "postgres+check://" + w.path("var/tmp") + " -o " + owner,
		"owner=drill", owner, "owner=999:999", owner,
		"/run/postgresql", w.target.SocketDir,
		"<base>", "$(newest postgres+bin)", "<wal>", "$(newest postgres+wal)", "<snapshot of the directory>", "$(newest fs)",
		"<older snapid>", "$(plakar ls -type postgres | awk 'NR == 2 { print $2 }')",
		"/wal/0000000100000002", "/wal/0000000100000000",
	}
	for _, dir := range []string{"/var/lib/", "/var/tmp", "/mnt/", "/tmp/", "/run/", "/etc/ssl/", "/usr/local/sbin/"} {
		names = append(names, dir, w.root+dir)
	}
	return names
}

// begin gives a document the role and the names that the README makes.
func (w *world) begin() {
	w.role()
	w.source.Exec(w.t, "postgres", `CREATE ROLE backup LOGIN REPLICATION PASSWORD 'secret'; GRANT pg_read_all_data, pg_monitor TO backup`)
	if _, err := os.Stat(w.config); err == nil {
		config := filepath.Join(w.plakar.Home, ".config", "plakar")
		w.check(os.RemoveAll(config))
		w.check(os.CopyFS(config, os.DirFS(w.config)))
	}
}

// role drops the role backup, so that the documents can create it.
func (w *world) role() { w.source.Exec(w.t, "postgres", "DROP ROLE IF EXISTS backup") }

// empty removes what blocks have restored, into the target and into directories.
func (w *world) empty() {
	w.stop()
	for _, name := range w.target.Databases(w.t) {
		if name != "postgres" && name != "template1" {
			w.target.Exec(w.t, "postgres", "DROP DATABASE "+harness.Ident(name)+" WITH (FORCE)")
		}
	}
	w.target.Exec(w.t, "postgres", "DROP TABLE IF EXISTS clock")
	for _, dir := range []string{"var/tmp", "var/lib/postgresql", "mnt", "tmp", "run", "work", "log"} {
		w.check(os.RemoveAll(w.path(dir)))
	}
	for _, dir := range []string{"var/tmp", "var/lib/postgresql/17", "mnt", "tmp", "run", "work", "log"} {
		w.check(os.MkdirAll(w.path(dir), 0o755))
		w.check(os.Chown(w.path(dir), harness.ServerUID(w.t), -1))
	}
}

// stop ends the server on the restored directory, if there is one.
func (w *world) stop() {
	dir := w.path("var/lib/postgresql/17/main")
	if _, err := os.Stat(filepath.Join(dir, "postmaster.pid")); err == nil {
		if out, err := w.shell("sudo -u postgres pg_ctl -D " + dir + " -m immediate stop"); err != nil {
			w.t.Errorf("stopping the restored server: %v\n%s", err, out)
		}
	}
}
