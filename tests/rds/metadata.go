package rds

import (
	"crypto/rand"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

// Metadata starts a pretended metadata service of an EC2 instance, version 2, whose
// role has the given key, and returns its URL, for AWS_EC2_METADATA_SERVICE_ENDPOINT.
// Source: https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-retrieval.html
func Metadata(tb testing.TB, key Key) string {
	tb.Helper()
	const roles = "/latest/meta-data/iam/security-credentials/"
	session := rand.Text()
	mux := http.NewServeMux()
	mux.HandleFunc("PUT /latest/api/token", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Aws-Ec2-Metadata-Token-Ttl-Seconds", r.Header.Get("X-Aws-Ec2-Metadata-Token-Ttl-Seconds"))
		_, _ = w.Write([]byte(session))
	})
	guarded := func(path string, content []byte) {
		mux.HandleFunc("GET "+path, func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("X-Aws-Ec2-Metadata-Token") != session {
				http.Error(w, "no session", http.StatusUnauthorized)
				return
			}
			_, _ = w.Write(content)
		})
	}
	document, err := json.Marshal(map[string]string{
		"Code": "Success", "Type": "AWS-HMAC", "LastUpdated": time.Now().UTC().Format(time.RFC3339),
		"AccessKeyId": key.ID, "SecretAccessKey": key.Secret, "Token": key.SessionToken,
		"Expiration": time.Now().Add(6 * time.Hour).UTC().Format(time.RFC3339),
	})
	if err != nil {
		tb.Fatal(err)
	}
	guarded(roles+"{$}", []byte("backup-role"))
	guarded(roles+"backup-role", document)
	server := httptest.NewServer(mux)
	tb.Cleanup(server.Close)
	return server.URL
}
