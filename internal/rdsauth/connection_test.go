package rdsauth

import (
	"slices"
	"strings"
	"testing"

	"github.com/PlakarKorp/integration-postgresql/internal/options"
)

const location = "postgres+aws://backup@db.example.com:5433/"

func TestConnection(t *testing.T) {
	for name, c := range map[string]struct {
		options options.Connection
		environ []string
		mode    string
		warned  bool
	}{
		"default":                {mode: "require"},
		"environment, weaker":    {environ: []string{"PGSSLMODE=disable"}, mode: "require"},
		"environment, empty":     {environ: []string{"PGSSLMODE="}, mode: "require"},
		"environment, stronger":  {environ: []string{"PGSSLMODE=verify-full"}, mode: "verify-full"},
		"URI":                    {options: options.Connection{Location: location + "?sslmode=verify-ca"}, mode: "verify-ca"},
		"URI, direct":            {options: options.Connection{Location: location + "?sslnegotiation=direct"}, mode: "require"},
		"URI, weaker":            {options: options.Connection{Location: location + "?sslmode=allow"}, mode: "allow", warned: true},
		"option":                 {options: options.Connection{SSLMode: "verify-full"}, environ: []string{"PGSSLMODE=disable"}, mode: "verify-full"},
		"option, weaker":         {options: options.Connection{SSLMode: "prefer"}, mode: "prefer", warned: true},
		"option, none":           {options: options.Connection{SSLMode: "disable"}, mode: "disable", warned: true},
		"user of the option":     {options: options.Connection{Location: "postgres+aws://h/", Username: "backup"}, mode: "require"},
		"user of PGUSER":         {options: options.Connection{Location: "postgres+aws://h/"}, environ: []string{"PGUSER=backup"}, mode: "require"},
		"password of PGPASSWORD": {environ: []string{"PGPASSWORD=secret"}, mode: "require"},
	} {
		t.Run(name, func(t *testing.T) {
			if c.options.Location == "" {
				c.options.Location = location
			}
			info, warnings, err := Parse(c.options, "eu-west-1", c.environ)
			if err != nil {
				t.Fatal(err)
			}
			if info.SSLMode() != c.mode || info.User() != "backup" || info.HasPassword() {
				t.Errorf("ssl_mode %q, user %q", info.SSLMode(), info.User())
			}
			if (len(warnings) > 0) != c.warned {
				t.Errorf("warnings %q", warnings)
			}
		})
	}
}

func TestConnectionRefused(t *testing.T) {
	for name, c := range map[string]struct {
		options options.Connection
		want    string
	}{
		"password in the URI": {options.Connection{Location: "postgres+aws://u:secret@h/"}, "a password is not accepted"},
		"and in its query":    {options.Connection{Location: "postgres+aws://u@h/?password=secret"}, "a password is not accepted"},
		"no user":             {options.Connection{Location: "postgres+aws://h/"}, `option "username" is required`},
		"Unix socket":         {options.Connection{Location: "postgres+aws://u@/?host=/run/postgresql"}, `option "host"`},
		"SSL mode":            {options.Connection{Location: "postgres+aws://u@h/?sslmode=on"}, `option "ssl_mode"`},
	} {
		_, _, err := Parse(c.options, "eu-west-1", nil)
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v; want %q", name, err, c.want)
		}
	}
}

// What the tools get: a token, and no password from elsewhere.
func TestToolsGetTheToken(t *testing.T) {
	key := isolate(t)
	info, _, err := Parse(options.Connection{Location: location}, "eu-west-1", []string{"PGPASSWORD=other", "HOME=/h"})
	if err != nil {
		t.Fatal(err)
	}
	env, err := info.Env(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	n := slices.IndexFunc(env, func(entry string) bool { return strings.HasPrefix(entry, "PGPASSWORD=") })
	if n < 0 {
		t.Fatalf("no PGPASSWORD in %q", env)
	}
	checkToken(t, key, strings.TrimPrefix(env[n], "PGPASSWORD="))
	if slices.Contains(env, "PGPASSWORD=other") || !slices.Contains(env, "PGSSLMODE=require") {
		t.Errorf("environment %q", env)
	}
	if strings.Contains(info.ConnString(), "X-Amz") {
		t.Error("the token is in the arguments")
	}
}
