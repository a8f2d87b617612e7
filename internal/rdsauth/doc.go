// Package rdsauth signs in to Amazon RDS and Aurora, where an IAM token takes the
// place of the password.
//
// A token lets its bearer open connections for 15 minutes. A new one is made for
// every connection and every client process, and none is kept. The AWS credentials
// that sign it come from the SDK's standard chain; the SDK keeps those, when they
// are temporary, until shortly before they expire. No error repeats a token or a
// credential.
package rdsauth
