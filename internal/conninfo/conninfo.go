package conninfo

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/PlakarKorp/integration-postgresql/internal/options"
	"github.com/PlakarKorp/integration-postgresql/internal/tempfile"
)

// appName is how our sessions and those of the tools appear in pg_stat_activity
// unless the user chose another name.
const appName = "plakar"

// PasswordFunc returns the password for one new connection or client process.
type PasswordFunc func(ctx context.Context, host string, port int, user string) (string, error)

// Info is how to connect to one database of a server. It is immutable and safe
// for concurrent use; the With methods return changed copies.
type Info struct {
	keywords map[string]string // libpq's keywords, no empty values
	selected string            // the database that options or URI name; "" for none
	pem      map[string]string // keyword of a file -> inline PEM text
	password PasswordFunc      // nil: the keyword, else libpq's own ways
	authHint string            // what to check when the server refuses a password of that; may be ""
	environ  []string          // what the tools inherit
	service  [2]string         // name and file of the service that was merged in
	facts    *facts            // what Dial learnt of the server; nil before

	replication bool // see ForReplication
	noOptions   bool // a connection pooler keeps our settings from the server
	asTool      bool // see AsTool

	values map[string]string // see WithSettings; not changed afterwards
}

// Parse merges, strongest first: the options, the URI in o.Location, the service
// that the URI or PGSERVICE names, libpq's environment variables in environ
// (as os.Environ gives it), and the defaults. It reads no file but the service
// file and those with certificates, and connects to nothing.
func Parse(o options.Connection, environ []string) (Info, error) {
	uri, err := parseURI(o.Location)
	if err != nil {
		return Info{}, fmt.Errorf("option \"location\": %w", err)
	}
	explicit := maps.Clone(uri)
	overlay(explicit, map[string]string{
		"host": o.Host, "port": o.Port, "user": o.Username, "password": o.Password, "dbname": o.Database,
		"sslmode": o.SSLMode, "sslcert": o.SSLCert, "sslkey": o.SSLKey, "sslrootcert": o.SSLRootCert,
	})
	env := fromEnviron(environ)
	info := Info{keywords: env, environ: withoutParams(environ), pem: map[string]string{}}

	service := explicit["service"]
	fromURI := service != ""
	if !fromURI {
		service = env["service"]
	}
	settings, file, err := readService(service, explicit["servicefile"], environ)
	if err != nil {
		return Info{}, err
	}
	if service != "" {
		info.service = [2]string{service, file}
	}
	overlay(info.keywords, settings)
	overlay(info.keywords, explicit)
	info.selected = explicit["dbname"]
	if fromURI && info.selected == "" {
		info.selected = settings["dbname"]
	}
	overlay(info.pem, map[string]string{
		"sslcert": o.SSLCertData, "sslkey": o.SSLKeyData, "sslrootcert": o.SSLRootCertData,
	})
	for name := range info.pem {
		delete(info.keywords, name)
	}
	delete(info.keywords, "service")
	delete(info.keywords, "servicefile")
	return info, info.complete()
}

// complete fills in the defaults and checks what the parts make together.
func (i Info) complete() error {
	if addresses := i.keywords["hostaddr"]; i.keywords["host"] == "" && addresses != "" {
		i.keywords["host"] = addresses
		delete(i.keywords, "hostaddr")
	}
	modes := option("ssl_mode")
	defaults := maps.Clone(defaultTimeouts)
	overlay(defaults, map[string]string{
		"host": option("host").Fallback, "port": option("port").Fallback, "sslmode": modes.Fallback, "application_name": appName,
	})
	for name, value := range defaults {
		if i.keywords[name] == "" {
			i.keywords[name] = value
		}
	}
	for name := range i.keywords {
		if why := params[name].unsupported; why != "" {
			return fmt.Errorf("the connection parameter %q is not supported: %s", name, why)
		}
	}
	if err := checkHosts(i.keywords["host"], i.keywords["port"], i.keywords["hostaddr"]); err != nil {
		return err
	}
	if !slices.Contains(modes.Enum, i.keywords["sslmode"]) {
		return fmt.Errorf("option \"ssl_mode\": use %s", strings.Join(modes.Enum, ", "))
	}
	i.canonical()
	if err := i.checkValues(); err != nil {
		return err
	}
	_, err := i.parse()
	return err
}

// option returns the declaration of a connection option.
func option(name string) options.Field {
	fields := options.Fields(options.Connection{})
	return fields[slices.IndexFunc(fields, func(f options.Field) bool { return f.Name == name })]
}

// Database is the database that the options or the URI select, "" if neither does.
func (i Info) Database() string { return i.selected }

// Host is the host, or the directory of the Unix socket; of several the first.
func (i Info) Host() string { return first(i.keywords["host"], option("host").Fallback) }

// Port is the TCP port, or the number in the Unix socket's name; of several the first.
func (i Info) Port() int {
	port, _ := strconv.Atoi(first(i.keywords["port"], option("port").Fallback))
	return port
}

// User is the user name that was given, or "" for libpq's default.
func (i Info) User() string { return i.keywords["user"] }

// SSLMode is libpq's sslmode that is in effect.
func (i Info) SSLMode() string { return i.keywords["sslmode"] }

// HasPassword reports whether a password was given by option, URI, service or environment.
func (i Info) HasPassword() bool { return i.keywords["password"] != "" }

// Origin tells servers apart: host:port.
func (i Info) Origin() string { return net.JoinHostPort(i.Host(), strconv.Itoa(i.Port())) }

// ConnectsTo is the database that WithDatabase chose, or the one that was selected.
func (i Info) ConnectsTo() string { return i.keywords["dbname"] }

// WithDatabase connects to the named database.
func (i Info) WithDatabase(name string) Info { return i.with("dbname", name) }

// WithPassword asks f for the password of every new connection and process. The
// hint says what to check when the server refuses it.
func (i Info) WithPassword(f PasswordFunc, hint string) Info {
	i.password, i.authHint = f, hint
	return i
}

// HasShortLivedPassword reports whether a password may serve for one connection only.
func (i Info) HasShortLivedPassword() bool { return i.password != nil }

// WithFiles writes inline PEM material to dir, for libpq reads it from files
// only. dir has to live as long as the Info is used.
func (i Info) WithFiles(dir *tempfile.Dir) (Info, error) {
	for keyword, text := range i.pem {
		f, err := dir.Write([]byte(text))
		if err != nil {
			return Info{}, err
		}
		i = i.with(keyword, f.Path)
	}
	i.pem = nil
	return i, nil
}

func (i Info) with(keyword, value string) Info {
	i.keywords = maps.Clone(i.keywords)
	if value == "" {
		delete(i.keywords, keyword)
	} else {
		i.keywords[keyword] = value
	}
	return i
}

// hosts splits an Info with several hosts into one for each.
func (i Info) hosts() []Info {
	hosts := strings.Split(i.keywords["host"], ",")
	ports := strings.Split(i.keywords["port"], ",")
	addrs := strings.Split(i.keywords["hostaddr"], ",")
	all := make([]Info, 0, len(hosts))
	for n, host := range hosts {
		if host == "" {
			host = option("host").Fallback
		}
		port := ports[min(n, len(ports)-1)]
		if port == "" {
			port = option("port").Fallback
		}
		one := i.with("host", host).with("port", port)
		if n < len(addrs) {
			one = one.with("hostaddr", addrs[n])
		}
		all = append(all, one)
	}
	return all
}

// currentPassword returns the password for a connection made now, "" for none.
func (i Info) currentPassword(ctx context.Context) (string, error) {
	if i.password == nil {
		return i.keywords["password"], nil
	}
	password, err := i.password(ctx, i.Host(), i.Port(), i.User())
	if err == nil && password == "" {
		err = errors.New("the password provider returned nothing")
	}
	if err != nil {
		return "", &passwordError{err}
	}
	return password, nil
}

// passwordError is a PasswordFunc's, which no other host would mend.
type passwordError struct{ error }

func (e *passwordError) Unwrap() error { return e.error }

// overlay copies the values that are not empty.
func overlay(dst, src map[string]string) {
	for name, value := range src {
		if value != "" {
			dst[name] = value
		}
	}
}

func first(list, otherwise string) string {
	item, _, _ := strings.Cut(list, ",")
	if item == "" {
		return otherwise
	}
	return item
}
