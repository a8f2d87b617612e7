package e2e

import (
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/PlakarKorp/integration-postgresql/tests/harness"
	"github.com/PlakarKorp/integration-postgresql/tests/rds"
)

// The ways to give credentials.
func TestAWSCredentials(t *testing.T) {
	t.Parallel()
	harness.LowestMajorOnly(t, "credentials are no matter of the server")
	_, proxy, p := awsServer(t)
	good := proxy.Policy()
	session := good
	session.Key.SessionToken = "session/" + rand.Text()
	write := func(name, text string) string {
		file := filepath.Join(p.Home, name)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	profile := write("credentials", fmt.Sprintf("[default]\naws_access_key_id = x\naws_secret_access_key = y\n[backup]\naws_access_key_id = %s\naws_secret_access_key = %s\n",
		good.Key.ID, good.Key.Secret))
	// It reads its standard input to the end, which must not be plakar's connection.
	process := write("config", fmt.Sprintf("[profile process]\ncredential_process = cat; printf '{\"Version\":1,\"AccessKeyId\":\"%s\",\"SecretAccessKey\":\"%s\"}'\n",
		good.Key.ID, good.Key.Secret))
	p.SourceAdd("aws", proxy.URL("postgres", "postgres"), "region=eu-west-3", tools(t))
	for name, c := range map[string]struct {
		policy rds.Policy
		env    []string
	}{
		"environment":   {good, keyEnv(good.Key)},
		"session token": {session, keyEnv(session.Key)},
		"profile":       {good, append(noKeyEnv(), "AWS_PROFILE=backup", "AWS_SHARED_CREDENTIALS_FILE="+profile)},
		"process":       {good, append(noKeyEnv(), "AWS_PROFILE=process", "AWS_CONFIG_FILE="+process)},
		"metadata":      {session, []string{"AWS_EC2_METADATA_SERVICE_ENDPOINT=" + rds.Metadata(t, session.Key)}},
	} {
		t.Run(name, func(t *testing.T) {
			proxy.SetPolicy(c.policy)
			p.Env = c.env
			_, result := p.Backup("@aws")
			if result.ExitCode != 0 {
				t.Errorf("exit status %d:\n%s", result.ExitCode, result.Output())
			}
			checkNoLeak(t, c.policy.Key, "the output", result.Output())
		})
	}
}

// The token is for the endpoint, whatever leads there; TLS knows it by that name.
func TestAWSEndpoint(t *testing.T) {
	t.Parallel()
	harness.LowestMajorOnly(t, "what a token is for is no matter of the server")
	_, proxy, p := awsServer(t)
	for name, c := range map[string]struct {
		endpoint string // of the token
		location string
		options  []string
		warning  string
	}{
		"verify-full": {"localhost", "localhost:%d/postgres", []string{"ssl_mode=verify-full", "ssl_root_cert=" + proxy.CA}, ""},
		"address": {
			"db.example.com", "db.example.com:%d/postgres?hostaddr=127.0.0.1",
			[]string{"ssl_mode=verify-full", "ssl_root_cert=" + proxy.CA}, "",
		},
		"second host": {"localhost", "localhost:1,localhost:%d/postgres", nil, ""},
		"weak":        {"localhost", "localhost:%d/postgres?sslmode=prefer", nil, "ssl_mode=prefer may send the IAM token"},
	} {
		t.Run(name, func(t *testing.T) {
			policy := proxy.Policy()
			policy.Endpoint = fmt.Sprintf("%s:%d", c.endpoint, proxy.Port)
			proxy.SetPolicy(policy)
			source := strings.ReplaceAll(name, " ", "")
			p.SourceAdd(source, fmt.Sprintf("postgres+aws://postgres@"+c.location, proxy.Port), append(c.options, "region=eu-west-3", tools(t))...)
			snapshot, result := p.Backup("@" + source)
			if result.ExitCode != 0 {
				t.Fatalf("exit status %d:\n%s", result.ExitCode, result.Output())
			}
			manifest := string(p.Cat(snapshot, "/manifest.json"))
			for _, text := range []string{result.Output(), manifest} {
				if c.warning != "" && !strings.Contains(text, c.warning) {
					t.Errorf("want %q in\n%s", c.warning, text)
				}
			}
		})
	}
}

// What RDS refuses fails the backup, with a hint and without a snapshot.
func TestAWSRefused(t *testing.T) {
	t.Parallel()
	harness.LowestMajorOnly(t, "RDS refuses a token before the server is reached")
	_, proxy, p := awsServer(t)
	good := proxy.Policy()
	for name, c := range map[string]struct {
		spoil   func(*rds.Policy)
		options []string
		reason  string // of the proxy
	}{
		"secret":        {func(p *rds.Policy) { p.Key.Secret += "x" }, nil, "signature is wrong"},
		"session token": {func(p *rds.Policy) { p.Key.SessionToken = "x" }, nil, "X-Amz-Security-Token is wrong"},
		"region":        {func(*rds.Policy) {}, []string{"region=eu-west-1"}, "is for region eu-west-1"},
		"user":          {func(p *rds.Policy) { p.User = "somebody" }, nil, "may not connect"},
		"host":          {func(p *rds.Policy) { p.Endpoint = "db.example.com:5432" }, nil, "is for localhost"},
		"expired":       {func(p *rds.Policy) { p.Life = -time.Hour }, nil, "expired"},
		"no TLS":        {func(*rds.Policy) {}, []string{"ssl_mode=disable"}, "no encryption"},
	} {
		t.Run(name, func(t *testing.T) {
			policy := good
			c.spoil(&policy)
			proxy.SetPolicy(policy)
			source := strings.ReplaceAll(name, " ", "")
			p.SourceAdd(source, proxy.URL("postgres", ""), append([]string{"region=eu-west-3", tools(t)}, c.options...)...)
			snapshot, result := p.Backup("@" + source)
			if result.ExitCode != 1 || snapshot != "" {
				t.Errorf("exit status %d, snapshot %q", result.ExitCode, snapshot)
			}
			for _, want := range []string{"authentication failed", "hint: an IAM token lets"} {
				if !strings.Contains(result.Message(), want) && name != "no TLS" {
					t.Errorf("want %q in\n%s", want, result.Output())
				}
			}
			if name == "no TLS" && !strings.Contains(result.Output(), "ssl_mode=disable may send the IAM token") {
				t.Errorf("no warning:\n%s", result.Output())
			}
			checkNoLeak(t, good.Key, "the output", result.Output())
			logins := proxy.Logins()
			if last := logins[len(logins)-1]; last.Err == nil || !strings.Contains(last.Err.Error(), c.reason) {
				t.Errorf("refused because of %v, want %q", last.Err, c.reason)
			}
		})
	}
}

// Without credentials nothing is started, and the message says how to give some.
func TestAWSNoCredentials(t *testing.T) {
	t.Parallel()
	harness.LowestMajorOnly(t, "nothing connects to the server")
	_, proxy, p := awsServer(t)
	p.Env = noKeyEnv()
	p.SourceAdd("aws", proxy.URL("postgres", ""), "region=eu-west-3", tools(t))
	p.DestinationAdd("aws", proxy.URL("postgres", ""), "region=eu-west-3", tools(t))
	p.SourceAdd("files", "fs://"+t.TempDir())
	snapshot := p.MustBackup("@files")
	for _, result := range []harness.Result{p.MustFail("backup", "@aws"), p.MustFail("restore", "-to", "@aws", snapshot)} {
		for _, want := range []string{"no AWS credentials", "hint: ", "AWS_ACCESS_KEY_ID", "AWS_PROFILE"} {
			if !strings.Contains(result.Message(), want) {
				t.Errorf("want %q in\n%s", want, result.Output())
			}
		}
	}
	if logins := proxy.Logins(); len(logins) > 0 {
		t.Errorf("%d attempts to connect", len(logins))
	}
}
