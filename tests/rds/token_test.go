package rds

import (
	"net/url"
	"testing"
)

// The example of AWS' own documentation.
// Source: https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html
func TestSignature(t *testing.T) {
	request := presigned{
		host: "examplebucket.s3.amazonaws.com", path: "/test.txt", payload: "UNSIGNED-PAYLOAD",
		date: "20130524", time: "20130524T000000Z", region: "us-east-1", service: "s3",
		query: url.Values{
			"X-Amz-Algorithm": {"AWS4-HMAC-SHA256"}, "X-Amz-Date": {"20130524T000000Z"}, "X-Amz-Expires": {"86400"},
			"X-Amz-Credential": {"AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request"}, "X-Amz-SignedHeaders": {"host"},
		},
	}
	const want = "aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"
	if got := request.signature("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"); got != want {
		t.Errorf("signature %s, want %s", got, want)
	}
}
