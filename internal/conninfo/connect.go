package conninfo

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"strings"

	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/PlakarKorp/integration-postgresql/internal/pgversion"
)

// parse gives pgx's view of i, without the password.
func (i Info) parse() (*pgx.ConnConfig, error) {
	words := make([]string, 0, len(i.keywords))
	for keyword, value := range i.keywords {
		// Half a pair of certificate and key is in a file that is yet to be written.
		paired := len(i.pem) > 0 && (keyword == "sslcert" || keyword == "sslkey")
		if params[keyword].pgx && keyword != "password" && !paired {
			words = append(words, keyword+"="+quote(value))
		}
	}
	// pgx reads PGSERVICE by itself; this makes it read the same service.
	if i.service[0] != "" {
		words = append(words, "service="+quote(i.service[0]), "servicefile="+quote(i.service[1]))
	}
	cfg, err := pgx.ParseConfig(strings.Join(words, " "))
	if err != nil {
		// The text of the error holds the connection string: give the cause only.
		cause := errors.New("a value is malformed")
		for next := errors.Unwrap(err); next != nil; next = errors.Unwrap(next) {
			cause = next
		}
		// And so may the cause: `invalid protocol version: "..."`.
		if text := cause.Error(); strings.HasPrefix(text, "invalid ") || strings.HasPrefix(text, "unknown ") {
			text, _, _ = strings.Cut(text, ":")
			cause = errors.New(text)
		}
		return nil, fmt.Errorf("reading the connection settings: %w", cause)
	}
	// Whatever pgx does not know would be sent to the server as a setting, and what it
	// reads from the environment would outrank those of ours.
	cfg.RuntimeParams = map[string]string{
		"application_name": i.keywords["application_name"],
		// The names of databases and roles are bytes: what one session stored in UTF-8
		// and another in LATIN1 is to be found again as it is.
		"client_encoding": "SQL_ASCII",
	}
	if options := i.startOptions(); options != "" {
		cfg.RuntimeParams["options"] = options
	}
	// Poolers that hand each transaction to another session know no prepared
	// statements.
	cfg.DefaultQueryExecMode = pgx.QueryExecModeExec
	cfg.DialFunc = i.dialer().DialContext
	i.limitTLS(&cfg.Config)
	if addr := i.keywords["hostaddr"]; addr != "" {
		cfg.LookupFunc = func(context.Context, string) ([]string, error) { return []string{addr}, nil }
	}
	return cfg, nil
}

// limitTLS applies ssl_min_protocol_version and ssl_max_protocol_version.
func (i Info) limitTLS(cfg *pgconn.Config) {
	versions := map[string]uint16{
		"TLSv1": tls.VersionTLS10, "TLSv1.1": tls.VersionTLS11, "TLSv1.2": tls.VersionTLS12, "TLSv1.3": tls.VersionTLS13,
	}
	configs := []*tls.Config{cfg.TLSConfig}
	for _, fallback := range cfg.Fallbacks {
		configs = append(configs, fallback.TLSConfig)
	}
	for _, c := range configs {
		if c == nil {
			continue
		}
		if v, ok := versions[i.keywords["ssl_min_protocol_version"]]; ok {
			c.MinVersion = v
		}
		if v, ok := versions[i.keywords["ssl_max_protocol_version"]]; ok {
			c.MaxVersion = v
		}
	}
}

// Config is the configuration for a pgx connection made now.
func (i Info) Config(ctx context.Context) (*pgx.ConnConfig, error) {
	cfg, err := i.parse()
	if err != nil {
		return nil, err
	}
	password, err := i.currentPassword(ctx)
	if err != nil {
		return nil, err
	}
	if password != "" {
		cfg.Password = password
	}
	return cfg, nil
}

// LibraryHint is what helps where a session cannot load a library that it has to.
const LibraryHint = "a library that session_preload_libraries or local_preload_libraries names for this database or role cannot be loaded: install it, ALTER DATABASE or ALTER ROLE ... RESET the setting, or, as a superuser, connect with ?options=-c%20session_preload_libraries= in the URI; that library may be what hides data from other roles"

// Connect opens a connection to the named database.
func (i Info) Connect(ctx context.Context, database string) (*pgx.Conn, error) {
	i = i.WithDatabase(database)
	cfg, err := i.Config(ctx)
	if err != nil {
		return nil, err
	}
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		err = fmt.Errorf("connecting to database %q at %s: %w", database, i.Origin(), reason(err))
		if isCode(err, pgerrcode.UndefinedFile) {
			err = fmt.Errorf("%w\nhint: %s", err, LibraryHint)
		}
		return nil, err
	}
	if i.facts == nil {
		return conn, nil // a pooler may be there that would keep what is set
	}
	if err := i.setHere(ctx, conn); err != nil {
		return nil, errors.Join(err, conn.Close(context.WithoutCancel(ctx)))
	}
	enableConnectionCheck(ctx, conn)
	return conn, nil
}

// enableConnectionCheck lets the server look once a second whether we are still there while it
// works for us, or waits for a lock: else it would go on when we have been killed.
// Source: https://www.postgresql.org/docs/18/runtime-config-connection.html
func enableConnectionCheck(ctx context.Context, conn *pgx.Conn) {
	const since = 14
	if major, err := pgversion.Major(conn.PgConn().ParameterStatus("server_version")); err != nil || major < since {
		return
	}
	// Not every operating system can do it. Any other failure comes up again.
	_, _ = conn.Exec(ctx, "SET client_connection_check_interval = '1s'")
}

// Dial finds the server: it tries each host, and on it the databases in order
// until the user is let into one. It returns the connection and an Info that
// names just that host, by its address too, and that database, so that all that
// follows talks to the same server, with the settings that it knows: see Settings. A
// connection pooler between is an error unless each session has one of the server's to
// itself.
func (i Info) Dial(ctx context.Context, databases ...string) (Info, *pgx.Conn, error) {
	var errs []error
	for _, host := range i.candidates() {
		pinned, conn, err := host.dialOne(ctx, databases)
		if err == nil {
			return pinned, conn, nil
		}
		var noPassword *passwordError
		var pooler *poolerError
		if errors.As(err, &noPassword) || errors.As(err, &pooler) {
			return Info{}, nil, err
		}
		errs = append(errs, err)
	}
	err := errors.Join(errs...)
	if i.authHint != "" && isCode(err, pgerrcode.InvalidAuthorizationSpecification, pgerrcode.InvalidPassword) {
		err = fmt.Errorf("%w\nhint: %s", err, i.authHint)
	}
	return Info{}, nil, err
}

// candidates are the hosts in the order in which to try them.
func (i Info) candidates() []Info {
	hosts := i.hosts()
	if i.keywords["load_balance_hosts"] == "random" {
		rand.Shuffle(len(hosts), func(a, b int) { hosts[a], hosts[b] = hosts[b], hosts[a] }) // #nosec G404 -- no secret
	}
	const attrs = "target_session_attrs"
	if i.keywords[attrs] != "prefer-standby" {
		return hosts
	}
	// A standby among all hosts is preferred, not at each host by itself.
	standbys := make([]Info, 0, 2*len(hosts))
	for n, host := range hosts {
		standbys, hosts[n] = append(standbys, host.with(attrs, "standby")), host.with(attrs, "any")
	}
	return append(standbys, hosts...)
}

// dialOne is Dial for one host.
func (i Info) dialOne(ctx context.Context, databases []string) (Info, *pgx.Conn, error) {
	var errs []error
	for _, database := range databases {
		one := i.WithDatabase(database)
		conn, err := one.Connect(ctx, database)
		if refusesOptions(err) {
			one = one.withoutOptions()
			conn, err = one.Connect(ctx, database)
		}
		if err == nil {
			return one.pin(conn.PgConn().Conn().RemoteAddr()).settle(ctx, conn)
		}
		errs = append(errs, err)
		if !isAccessDenied(err) {
			break
		}
	}
	return Info{}, nil, errors.Join(errs...)
}

// pin pins a host name, which may have several addresses, to one of them.
func (i Info) pin(address net.Addr) Info {
	tcp, ok := address.(*net.TCPAddr)
	if !ok || net.ParseIP(i.Host()) != nil {
		return i
	}
	ip := tcp.IP.String()
	if tcp.Zone != "" {
		ip += "%" + tcp.Zone
	}
	return i.with("hostaddr", ip)
}

// isAccessDenied reports whether err concerns the database and not the server.
func isAccessDenied(err error) bool {
	return isCode(err,
		pgerrcode.InvalidAuthorizationSpecification, // also: no pg_hba.conf entry, PAM
		pgerrcode.InvalidCatalogName,                // the database does not exist
		pgerrcode.InsufficientPrivilege,             // no CONNECT privilege
		pgerrcode.ObjectNotInPrerequisiteState)      // datallowconn is false
}

// isCode reports whether err is the server's, with one of the SQLSTATEs.
func isCode(err error, codes ...string) bool {
	var pgErr *pgconn.PgError
	return errors.As(err, &pgErr) && slices.Contains(codes, pgErr.Code)
}

// reason shortens a connection error to its reason: what the server said, or what
// happened at each attempt, which are the same with and without TLS more often
// than not.
func reason(err error) error {
	var pgErr *pgconn.PgError
	if errors.As(err, &pgErr) {
		return pgErr
	}
	var connect *pgconn.ConnectError
	if !errors.As(err, &connect) {
		return err
	}
	var reasons []string
	for line := range strings.Lines(connect.Unwrap().Error()) {
		if line = strings.TrimSpace(line); line != "" && !slices.Contains(reasons, line) {
			reasons = append(reasons, line)
		}
	}
	return errors.New(strings.Join(reasons, "; "))
}
