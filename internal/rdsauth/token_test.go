package rdsauth

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/PlakarKorp/integration-postgresql/tests/rds"
)

// isolate keeps the machine's own AWS settings out, and puts a key into the
// environment.
func isolate(t *testing.T) rds.Key {
	t.Helper()
	for _, entry := range os.Environ() {
		if name, _, _ := strings.Cut(entry, "="); strings.HasPrefix(name, "AWS_") {
			t.Setenv(name, "")
		}
	}
	t.Setenv("HOME", t.TempDir())
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	key := rds.Key{ID: "AKIAEXAMPLE", Secret: "sekret/+=", SessionToken: "session/+="}
	t.Setenv("AWS_ACCESS_KEY_ID", key.ID)
	t.Setenv("AWS_SECRET_ACCESS_KEY", key.Secret)
	t.Setenv("AWS_SESSION_TOKEN", key.SessionToken)
	return key
}

// without takes the key out of the environment again.
func without(t *testing.T) {
	t.Helper()
	isolate(t)
	t.Setenv("AWS_ACCESS_KEY_ID", "")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "")
	t.Setenv("AWS_SESSION_TOKEN", "")
}

// checkToken checks a token for user backup at db.example.com:5433, eu-west-1.
func checkToken(t *testing.T, key rds.Key, token string) {
	t.Helper()
	policy := rds.Policy{Endpoint: "db.example.com:5433", Region: "eu-west-1", Key: key}
	if err := policy.Check(token, "backup", time.Now()); err != nil {
		t.Errorf("%v: %s", err, token)
	}
	if err := policy.Check(token, "other", time.Now()); err == nil {
		t.Error("the token is good for another user")
	}
	if err := policy.Check(token, "backup", time.Now().Add(16*time.Minute)); err == nil {
		t.Error("the token is good for more than 15 minutes")
	}
}

func TestToken(t *testing.T) {
	key := isolate(t)
	tokens := NewTokens("eu-west-1")
	token, err := tokens.Token(t.Context(), "db.example.com", 5433, "backup")
	if err != nil {
		t.Fatal(err)
	}
	checkToken(t, key, token)

	// Names that need encoding, and an address.
	for _, user := range []string{"a b", "o'neill+1@x", "räksmörgås", "50%", "a/b?c&d=e"} {
		token, err := tokens.Token(t.Context(), "::1", 5432, user)
		if err != nil {
			t.Fatal(err)
		}
		policy := rds.Policy{Endpoint: "[::1]:5432", Region: "eu-west-1", Key: key}
		if err := policy.Check(token, user, time.Now()); err != nil {
			t.Errorf("user %q: %v", user, err)
		}
	}
}

func TestWithPath(t *testing.T) {
	for _, token := range []string{"host:5432?Action=connect&b=/?", "host:5432/?Action=connect&b=/?"} {
		if got, want := withPath(token), "host:5432/?Action=connect&b=/?"; got != want {
			t.Errorf("%s: %s", token, got)
		}
	}
}

func TestNoCredentials(t *testing.T) {
	write := func(name, text string) string {
		file := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	for name, c := range map[string]struct {
		env  map[string]string
		want string
	}{
		"nothing":    {nil, "no AWS credentials"},
		"no profile": {map[string]string{"AWS_PROFILE": "absent"}, "absent"},
		"malformed process output": {map[string]string{"AWS_CONFIG_FILE": write("config",
			"[default]\ncredential_process = printf '{\"SecretAccessKey\": \"sekret\"'\n")}, "credential_process: unexpected end of JSON input"},
		"failing process": {map[string]string{"AWS_CONFIG_FILE": write("config",
			"[default]\ncredential_process = printf sekret; exit 3\n")}, "credential_process: exit status 3"},
		"dead metadata service": {map[string]string{"AWS_EC2_METADATA_DISABLED": "", "AWS_EC2_METADATA_SERVICE_ENDPOINT": "http://127.0.0.1:9"}, "127.0.0.1:9"},
		"mute metadata service": {map[string]string{"AWS_EC2_METADATA_DISABLED": "", "AWS_EC2_METADATA_SERVICE_ENDPOINT": mute(t)}, "no AWS credentials"},
	} {
		t.Run(name, func(t *testing.T) {
			without(t)
			for key, value := range c.env {
				t.Setenv(key, value)
			}
			start := time.Now()
			_, err := NewTokens("eu-west-1").Token(t.Context(), "h", 5432, "u")
			if err == nil {
				t.Fatal("there is a token")
			}
			for _, want := range []string{"no AWS credentials", c.want, "\nhint: ", "AWS_PROFILE"} {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%v; want %q", err, want)
				}
			}
			if strings.Contains(err.Error(), "sekret") {
				t.Errorf("the error holds a secret: %v", err)
			}
			t.Logf("%s: %v", time.Since(start), err)
			if took := time.Since(start); took > 2*credentialsTimeout {
				t.Errorf("it took %s", took)
			}
		})
	}
}

func TestCancelled(t *testing.T) {
	without(t)
	reason := errors.New("ctrl-c")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(reason)
	if _, err := NewTokens("eu-west-1").Token(ctx, "h", 5432, "u"); !errors.Is(err, reason) {
		t.Errorf("%v; want %v", err, reason)
	}
}

// mute is the URL of a server that takes connections and never answers.
func mute(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	return "http://" + listener.Addr().String()
}
