package rds

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Key is an AWS access key with what belongs to it.
type Key struct {
	ID, Secret   string
	SessionToken string // "" for a key that is not temporary
}

// Policy says which tokens are good.
type Policy struct {
	Endpoint string // host:port
	Region   string
	Key      Key
	User     string        // the one that may connect; "" for all
	Life     time.Duration // shorter than what the token says; 0 for that
}

// maxLife is that of RDS' tokens.
const maxLife = 15 * time.Minute

// Check says what is wrong with a token that was sent at the time now as the
// password of user.
func (p Policy) Check(token, user string, now time.Time) error {
	endpoint, raw, ok := strings.Cut(token, "/?")
	if !ok {
		return errors.New("the token has not the form host:port/?query")
	}
	if endpoint != p.Endpoint {
		return fmt.Errorf("the token is for %s, not for %s", endpoint, p.Endpoint)
	}
	query, err := url.ParseQuery(raw)
	if err != nil {
		return fmt.Errorf("the token's query: %w", err)
	}
	if p.User != "" && user != p.User {
		return fmt.Errorf("user %q may not connect", user)
	}
	want := map[string]string{
		"Action": "connect", "DBUser": user, "X-Amz-Algorithm": "AWS4-HMAC-SHA256", "X-Amz-SignedHeaders": "host",
		"X-Amz-Security-Token": p.Key.SessionToken,
	}
	for name, value := range want {
		if query.Get(name) != value {
			return fmt.Errorf("the token's %s is wrong", name)
		}
	}
	if err := p.checkAge(query, now); err != nil {
		return err
	}
	return p.checkSignature(query)
}

func (p Policy) checkAge(query url.Values, now time.Time) error {
	made, err := time.Parse("20060102T150405Z", query.Get("X-Amz-Date"))
	if err != nil {
		return err
	}
	seconds, err := strconv.Atoi(query.Get("X-Amz-Expires"))
	if err != nil {
		return err
	}
	life := time.Duration(seconds) * time.Second
	if life > maxLife {
		return fmt.Errorf("the token is good for %s", life)
	}
	if p.Life != 0 {
		life = min(life, p.Life)
	}
	if age := now.Sub(made); age > life {
		return fmt.Errorf("the token expired: it is %s old", age)
	}
	return nil
}

func (p Policy) checkSignature(query url.Values) error {
	credential := strings.Split(query.Get("X-Amz-Credential"), "/")
	if len(credential) != 5 || credential[4] != "aws4_request" {
		return errors.New("the token's X-Amz-Credential is malformed")
	}
	switch {
	case credential[0] != p.Key.ID:
		return errors.New("the access key is unknown")
	case credential[2] != p.Region:
		return fmt.Errorf("the token is for region %s", credential[2])
	case credential[3] != "rds-db":
		return fmt.Errorf("the token is for service %s", credential[3])
	}
	given := query.Get("X-Amz-Signature")
	query.Del("X-Amz-Signature")
	request := presigned{
		host: p.Endpoint, path: "/", query: query, payload: fmt.Sprintf("%x", sha256.Sum256(nil)),
		date: credential[1], time: query.Get("X-Amz-Date"), region: credential[2], service: credential[3],
	}
	if request.signature(p.Key.Secret) != given {
		return errors.New("the token's signature is wrong")
	}
	return nil
}
