//go:build linux

package faults

import (
	"crypto/rand"
	"net/url"
	"testing"

	"github.com/PlakarKorp/integration-postgresql/tests/harness"
	"github.com/PlakarKorp/integration-postgresql/tests/rds"
)

// tokens are the IAM tokens that were sent so far, and what they were made with: as it
// is and as a URI holds it. A token's own parts are secret where a log repeats them.
func tokens(at *rds.Proxy, key rds.Key) []string {
	secrets := []string{key.Secret, url.QueryEscape(key.Secret), key.SessionToken, url.QueryEscape(key.SessionToken), "X-Amz-"}
	for _, login := range at.Logins() {
		if login.Token != "" {
			secrets = append(secrets, login.Token)
		}
	}
	return secrets
}

// TestAWSSecrets is TestSecrets for IAM tokens, the secret key and the session token,
// and for what is said when RDS refuses a token.
func TestAWSSecrets(t *testing.T) {
	t.Parallel()
	harness.LowestMajorOnly(t, "tokens are no matter of the server")
	st := newStage(t, harness.TLS("localhost"))
	at := rds.Start(t, st.server)
	policy := at.Policy()
	policy.Key.SessionToken = "session/" + rand.Text()
	at.SetPolicy(policy)
	secrets := func() []string { return tokens(at, policy.Key) }

	s := st.scene(t, fault{})
	watchFor(t, secrets, "pg_dump", "pg_dumpall", "pg_restore").follow(s.plakar.Home)
	s.copyOrigin()
	s.plakar.Env = append(s.plakar.Env, "AWS_EC2_METADATA_DISABLED=true", "AWS_ACCESS_KEY_ID="+policy.Key.ID,
		"AWS_SECRET_ACCESS_KEY="+policy.Key.Secret, "AWS_SESSION_TOKEN="+policy.Key.SessionToken)
	s.plakar.SourceAdd("mypg", at.URL("postgres", s.db)+"?application_name="+url.PathEscape(s.session()), s.with([]string{"region=" + policy.Region})...)
	s.plakar.DestinationAdd("dst", at.URL("postgres", s.db)+"?application_name="+url.PathEscape(s.session()), s.with([]string{"region=" + policy.Region, "databases=origin", "jobs=2"})...)
	s.reveal(secrets)

	spoilt := policy
	spoilt.Key.Secret += "x"
	at.SetPolicy(spoilt)
	for _, args := range [][]string{{"backup", "@mypg"}, {"source", "ping", "mypg"}, {"destination", "ping", "dst"}, {"restore", "-to", "@dst", s.snapshot}} {
		result := s.plakar.Run(args...)
		if result.ExitCode != 1 {
			t.Errorf("plakar %q: exit status %d", args, result.ExitCode)
		}
		s.without(args[0]+" with a token that is refused", result.Output(), secrets())
	}
	s.nowhere(secrets())
	seen := 0
	for _, login := range at.Logins() {
		if login.Token != "" {
			seen++
		}
	}
	if seen < 8 {
		t.Errorf("%d tokens were sent, which proves little", seen)
	}
}
