package conninfo

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// values are the parameters that have a few values only. libpq compares those of the TLS
// versions in any case, and takes whatever else sslsni is for 0.
// Source: pqConnectOptions2 in src/interfaces/libpq/fe-connect.c and
// https://www.postgresql.org/docs/18/libpq-connect.html#LIBPQ-PARAMKEYWORDS
var values = map[string][]string{
	"channel_binding":          {"disable", "prefer", "require"},
	"gssencmode":               {"disable", "prefer"},
	"load_balance_hosts":       {"disable", "random"},
	"max_protocol_version":     protocolVersions,
	"min_protocol_version":     protocolVersions,
	"ssl_max_protocol_version": tlsVersions,
	"ssl_min_protocol_version": tlsVersions,
	"sslcertmode":              {"disable", "allow", "require"},
	"sslcompression":           {"0", "1"},
	"sslnegotiation":           {"postgres", "direct"},
	"sslsni":                   {"0", "1"},
	"target_session_attrs":     {"any", "read-write", "read-only", "primary", "standby", "prefer-standby"},
}

var (
	tlsVersions      = []string{"TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"}
	protocolVersions = []string{"3.0", "3.2", "latest"}
	authMethods      = []string{"password", "md5", "gss", "sspi", "scram-sha-256", "oauth", "none"}
)

// integerParams are the parameters of the network, whole numbers all of them.
var integerParams = []string{
	"connect_timeout", "keepalives", "keepalives_idle", "keepalives_interval", "keepalives_count", "tcp_user_timeout",
}

// checkValues refuses what libpq would refuse or not understand, before anything is
// connected to. The values are not repeated: they may be part of a secret.
func (i Info) checkValues() error {
	for _, keyword := range integerParams {
		value, given := i.keywords[keyword]
		if _, err := strconv.Atoi(value); given && err != nil {
			return fmt.Errorf("the connection parameter %q: use a whole number", keyword)
		}
	}
	if i.keywords["gssencmode"] == "require" {
		return fmt.Errorf("the connection parameter %q: the value require is not supported: %s", "gssencmode", onlyTool)
	}
	for keyword, accepted := range values {
		if value, given := i.keywords[keyword]; given && !slices.Contains(accepted, value) {
			return fmt.Errorf("the connection parameter %q: use %s", keyword, strings.Join(accepted, ", "))
		}
	}
	low, high := slices.Index(tlsVersions, i.keywords["ssl_min_protocol_version"]), slices.Index(tlsVersions, i.keywords["ssl_max_protocol_version"])
	if low >= 0 && high >= 0 && low > high {
		return fmt.Errorf("the connection parameters %q and %q leave no version of TLS", "ssl_min_protocol_version", "ssl_max_protocol_version")
	}
	if i.keywords["sslnegotiation"] == "direct" && slices.Contains([]string{"disable", "allow", "prefer"}, i.SSLMode()) {
		return fmt.Errorf("the connection parameter %q: direct needs the option \"ssl_mode\" to be require, verify-ca or verify-full", "sslnegotiation")
	}
	return checkAuth(i.keywords["require_auth"])
}

// checkAuth checks require_auth: methods, or methods that are ruled out, each once.
func checkAuth(list string) error {
	if list == "" {
		return nil
	}
	methods := strings.Split(list, ",")
	negated := strings.HasPrefix(methods[0], "!")
	for n, method := range methods {
		name, not := strings.CutPrefix(method, "!")
		if not != negated || !slices.Contains(authMethods, name) || slices.Contains(methods[:n], method) {
			return fmt.Errorf("the connection parameter %q: use a list of %s, each once, and either all or none of them with a \"!\" before it",
				"require_auth", strings.Join(authMethods, ", "))
		}
	}
	return nil
}

// canonical writes the values that libpq takes in any case as pgx, and we, know them.
func (i Info) canonical() {
	for _, keyword := range []string{"ssl_min_protocol_version", "ssl_max_protocol_version"} {
		for _, version := range tlsVersions {
			if strings.EqualFold(i.keywords[keyword], version) {
				i.keywords[keyword] = version
			}
		}
	}
}

// checkHosts wants one address for each host, and one port, or one for each host, where
// an empty one is the default. Of an address libpq looks nothing up.
func checkHosts(hostList, portList, addressList string) error {
	hosts, ports := strings.Split(hostList, ","), strings.Split(portList, ",")
	if len(ports) != 1 && len(ports) != len(hosts) {
		return fmt.Errorf("option \"port\": %d ports for %d hosts: use one, or one for each host", len(ports), len(hosts))
	}
	for _, port := range ports {
		if n, err := strconv.Atoi(port); port != "" && (err != nil || n < 1 || n > 65535) {
			return fmt.Errorf("option \"port\": use a whole number from 1 to 65535")
		}
	}
	if addressList == "" {
		return nil
	}
	addresses := strings.Split(addressList, ",")
	if len(addresses) != len(hosts) {
		return fmt.Errorf("the connection parameter \"hostaddr\": %d addresses for %d hosts: use one for each host", len(addresses), len(hosts))
	}
	for _, address := range addresses {
		if _, err := netip.ParseAddr(address); address != "" && err != nil {
			return fmt.Errorf("the connection parameter \"hostaddr\": use IP addresses, like 192.0.2.7 or 2001:db8::7")
		}
	}
	return nil
}
