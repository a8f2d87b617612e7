package rdsauth

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/credentials/processcreds"
	rds "github.com/aws/aws-sdk-go-v2/feature/rds/auth"
)

const (
	// credentialsTimeout is how long the search for credentials may take: it can lead to
	// services of the network, such as that of the instance's metadata.
	credentialsTimeout = 10 * time.Second
	// expiryMargin is how long temporary credentials have to be valid yet: a token ends
	// with those that signed it.
	expiryMargin = time.Minute
)

// Tokens makes IAM tokens. It is safe for concurrent use.
type Tokens struct {
	region string

	mu       sync.Mutex
	provider aws.CredentialsProvider // nil until it was needed
}

// NewTokens returns the maker of tokens for servers of one AWS region.
func NewTokens(region string) *Tokens { return &Tokens{region: region} }

// Token makes a token for one connection; it is a conninfo.PasswordFunc. host and
// port are the ones that RDS gave the server, since they are part of what is
// signed.
func (t *Tokens) Token(ctx context.Context, host string, port int, user string) (string, error) {
	limited, cancel := context.WithTimeoutCause(ctx, credentialsTimeout, fmt.Errorf("no answer within %s", credentialsTimeout))
	defer cancel()
	found, err := t.credentials(limited)
	if err != nil {
		if ctx.Err() != nil {
			return "", context.Cause(ctx)
		}
		if limited.Err() != nil {
			err = context.Cause(limited)
		}
		return "", fmt.Errorf("no AWS credentials to make an IAM token with: %w\nhint: %s", withoutSecrets(err), credentialsHint)
	}
	endpoint := net.JoinHostPort(host, strconv.Itoa(port))
	token, err := rds.BuildAuthToken(ctx, endpoint, t.region, user, credentials.StaticCredentialsProvider{Value: found})
	if err != nil {
		return "", fmt.Errorf("making an IAM token for user %q at %s: %w", user, endpoint, err)
	}
	return withPath(token), nil
}

// credentialsHint names the ways of the standard chain.
// Source: https://docs.aws.amazon.com/sdkref/latest/guide/standardized-credentials.html
const credentialsHint = "the usual ways of AWS' tools are looked at: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment, " +
	"a profile (AWS_PROFILE, ~/.aws/credentials, ~/.aws/config, \"aws sso login\"), a web identity (AWS_WEB_IDENTITY_TOKEN_FILE, AWS_ROLE_ARN), " +
	"the role of the container, the role of the EC2 instance; try \"aws sts get-caller-identity\""

// credentials returns those that are valid now.
func (t *Tokens) credentials(ctx context.Context) (aws.Credentials, error) {
	provider, err := t.chain(ctx)
	if err != nil {
		return aws.Credentials{}, err
	}
	return provider.Retrieve(ctx)
}

// chain sets the SDK's standard chain up.
func (t *Tokens) chain(ctx context.Context) (aws.CredentialsProvider, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.provider != nil {
		return t.provider, nil
	}
	cfg, err := config.LoadDefaultConfig(ctx,
		config.WithDefaultRegion(t.region), // of the services that a profile may need
		config.WithCredentialsCacheOptions(func(o *aws.CredentialsCacheOptions) { o.ExpiryWindow = expiryMargin }),
	)
	if err != nil {
		return nil, err
	}
	t.provider = cfg.Credentials
	return t.provider, nil
}

// withoutSecrets keeps of the SDK's error what cannot hold any. The message about a
// profile's credential_process repeats what the process printed; that of a service
// which finds a signature wrong may go on to repeat the request.
func withoutSecrets(err error) error {
	var process *processcreds.ProviderError
	if errors.As(err, &process) {
		cause := process.Err
		for next := errors.Unwrap(cause); next != nil; next = errors.Unwrap(cause) {
			cause = next
		}
		return fmt.Errorf("the profile's credential_process: %w", cause)
	}
	line, _, _ := strings.Cut(err.Error(), "\n")
	return errors.New(line)
}

// withPath puts a slash between "host:port" and "?", which RDS insists on and some
// versions of the SDK leave out. The signature is that of the path "/" anyway.
// Source: https://github.com/aws/aws-sdk-go-v2/issues/3365
func withPath(token string) string {
	endpoint, query, _ := strings.Cut(token, "?")
	return strings.TrimSuffix(endpoint, "/") + "/?" + query
}
