// Package progress says from time to time, on standard error, how far long operations are.
// It knows nothing of what they are: each has a name, and counts its bytes or asks for them.
package progress
