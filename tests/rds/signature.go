package rds

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/url"
	"strings"
)

// presigned is a GET request whose signature is in its query.
// Source: https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html
type presigned struct {
	host, path string
	query      url.Values // without the signature
	payload    string     // what stands for the body's hash
	date       string     // 20130524
	time       string     // 20130524T000000Z
	region     string
	service    string
}

// signature computes the request's signature with the secret key.
func (p presigned) signature(secret string) string {
	canonical := strings.Join([]string{
		"GET", p.path, strings.ReplaceAll(p.query.Encode(), "+", "%20"), "host:" + p.host, "", "host", p.payload,
	}, "\n")
	scope := strings.Join([]string{p.date, p.region, p.service, "aws4_request"}, "/")
	text := strings.Join([]string{"AWS4-HMAC-SHA256", p.time, scope, fmt.Sprintf("%x", sha256.Sum256([]byte(canonical)))}, "\n")
	key := []byte("AWS4" + secret)
	for _, part := range []string{p.date, p.region, p.service, "aws4_request", text} {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(part))
		key = mac.Sum(nil)
	}
	return hex.EncodeToString(key)
}
