package conninfo

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// parseURI reads a connection URI, of any scheme, into libpq keywords, the way
// libpq's conninfo_uri_parse_options does. Errors never repeat the text, which
// may hold a password.
//
//	scheme://[user[:password]@][host[:port],...][/dbname][?param=value&...]
func parseURI(uri string) (map[string]string, error) {
	_, rest, ok := strings.Cut(uri, "://")
	if !ok {
		return nil, errors.New(`use a URI like "postgres://user@host:5432/database"`)
	}
	p := make(map[string]string)
	// Before the query is split off: a password may hold a question mark.
	rest, found, err := parseUserinfo(p, rest)
	if err != nil {
		return nil, err
	}
	rest, query, _ := strings.Cut(rest, "?")
	hosts, dbname, _ := strings.Cut(rest, "/")
	if looksUnescaped(hosts, dbname, found, p["password"] != "") {
		return nil, errUnescaped
	}
	if err := parseHosts(p, hosts); err != nil {
		return nil, err
	}
	if err := store(p, "dbname", dbname); err != nil {
		return nil, err
	}
	return p, parseQuery(p, query)
}

// parseUserinfo takes "user:password@" off the front of rest, if it is found. The at
// sign has to come before the first slash.
func parseUserinfo(p map[string]string, rest string) (after string, found bool, err error) {
	end := strings.IndexAny(rest, "@/")
	if end < 0 || rest[end] != '@' {
		return rest, false, nil
	}
	user, password, _ := strings.Cut(rest[:end], ":")
	if err := errors.Join(store(p, "user", user), store(p, "password", password)); err != nil {
		return "", false, err
	}
	return rest[end+1:], true, nil
}

var errUnescaped = errors.New(`the URI has an "@" where none is expected: in a user name or password "@" is written %40 and "/" %2F (so is "@" in a host or a database name)`)

// looksUnescaped reports whether the parts look like those of a URI whose password holds an at
// sign or a slash as it is. libpq takes such a password's end for a host, a port or a
// database, which are no secrets to anybody.
func looksUnescaped(hosts, dbname string, userinfo, password bool) bool {
	for _, host := range strings.Split(hosts, ",") {
		// The name of an abstract Unix socket begins with one.
		if at := strings.LastIndex(host, "@"); at > 0 || at == 0 && password {
			return true
		}
	}
	if !userinfo {
		// "user:12/abc@host/": without a colon there would be no password.
		return strings.Contains(hosts, ":") && strings.Contains(dbname, "@")
	}
	// "user:pa@ss/word@host/": a database may have an at sign in its name, or a slash.
	_, after, at := strings.Cut(dbname, "@")
	return password && at && strings.Contains(after, "/")
}

// parseHosts reads "host:port,[ipv6]:port,...".
func parseHosts(p map[string]string, text string) error {
	if text == "" {
		return nil
	}
	var hosts, ports []string
	anyPort := false
	for _, item := range strings.Split(text, ",") {
		var host, port string
		if inner, ok := strings.CutPrefix(item, "["); ok {
			var after string
			if host, after, ok = strings.Cut(inner, "]"); !ok || host == "" {
				return errors.New(`the URI has an IPv6 address without its "]"`)
			}
			if port, ok = strings.CutPrefix(after, ":"); !ok && after != "" {
				return errors.New(`the URI has text other than ":port" after an IPv6 address`)
			}
		} else {
			host, port, _ = strings.Cut(item, ":")
		}
		if strings.Trim(port, "0123456789") != "" {
			return errors.New("the URI has a port that is not a number (an IPv6 address goes between [ and ], special characters of a password are percent-encoded)")
		}
		anyPort = anyPort || port != ""
		hosts, ports = append(hosts, host), append(ports, port)
	}
	if anyPort {
		p["port"] = strings.Join(ports, ",")
	}
	return store(p, "host", strings.Join(hosts, ","))
}

// parseQuery reads "param=value&...". The values override what came before.
func parseQuery(p map[string]string, query string) error {
	if query == "" {
		return nil
	}
	for _, pair := range strings.Split(query, "&") {
		name, value, ok := strings.Cut(pair, "=")
		if !ok || strings.Contains(value, "=") {
			return errors.New(`the URI's query has a parameter that is not "name=value" (a "=" in a value is written %3D)`)
		}
		name, err := decode(name)
		if err != nil {
			return err
		}
		// The spelling of the JDBC driver, which libpq accepts too.
		if name == "ssl" && value == "true" {
			name, value = "sslmode", "require"
		}
		known, ok := params[name]
		if !ok {
			return fmt.Errorf("the URI's query has %s, which PostgreSQL does not know", parameter(name))
		}
		if known.unsupported != "" {
			return fmt.Errorf("the URI's parameter %q is not supported: %s", name, known.unsupported)
		}
		if err := store(p, name, value); err != nil {
			return err
		}
	}
	return nil
}

// store decodes value and keeps it unless it is empty.
func store(p map[string]string, name, value string) error {
	decoded, err := decode(value)
	if err != nil {
		return err
	}
	if decoded != "" {
		p[name] = decoded
	}
	return nil
}

func decode(text string) (string, error) {
	decoded, err := url.PathUnescape(text)
	if err != nil {
		return "", errors.New(`the URI has a "%" that two hexadecimal digits do not follow (a plain "%" is written %25)`)
	}
	if strings.ContainsRune(decoded, 0) {
		return "", errors.New("the URI holds a NUL byte")
	}
	return decoded, nil
}

// parameter quotes the name of a connection parameter, unless it is something else that
// stands in its place, which may be part of a password.
func parameter(name string) string {
	if strings.Trim(name, "abcdefghijklmnopqrstuvwxyz_") != "" {
		return "a parameter"
	}
	return fmt.Sprintf("the parameter %q", name)
}
