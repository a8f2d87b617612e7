// Package rds stands in for Amazon RDS in tests: a proxy in front of a real server
// that insists on TLS, asks for a clear-text password and checks it as RDS checks an
// IAM token, by computing its signature anew from the secret key. It uses nothing of
// the AWS SDK. Also here: the metadata service of an EC2 instance.
package rds
