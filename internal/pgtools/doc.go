// Package pgtools finds PostgreSQL's client tools and builds their argument
// lists. It knows which major version of a tool fits which server; it does not
// run anything but "TOOL --version".
package pgtools
