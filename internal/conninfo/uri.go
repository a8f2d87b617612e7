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
	rest, err := parseUserinfo(p, rest)
	if err != nil {
		return nil, err
	}
	rest, query, _ := strings.Cut(rest, "?")
	hosts, dbname, _ := strings.Cut(rest, "/")
	if err := parseHosts(p, hosts); err != nil {
		return nil, err
	}
	if err := store(p, "dbname", dbname); err != nil {
		return nil, err
	}
	return p, parseQuery(p, query)
}

// parseUserinfo takes "user:password@" off the front of rest. The at sign has
// to come before the first slash.
func parseUserinfo(p map[string]string, rest string) (string, error) {
	end := strings.IndexAny(rest, "@/")
	if end < 0 || rest[end] != '@' {
		return rest, nil
	}
	user, password, _ := strings.Cut(rest[:end], ":")
	if err := errors.Join(store(p, "user", user), store(p, "password", password)); err != nil {
		return "", err
	}
	return rest[end+1:], nil
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
			return fmt.Errorf("the URI's query has the parameter %q, which PostgreSQL does not know", name)
		}
		if known.refused != "" {
			return fmt.Errorf("the URI's parameter %q is not supported: %s", name, known.refused)
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
