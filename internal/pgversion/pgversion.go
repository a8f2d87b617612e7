// Package pgversion reads PostgreSQL's version numbers.
package pgversion

import (
	"fmt"
	"strconv"
	"strings"
)

// Major is the major version in a text such as "15.18", "18beta1",
// "17.5 (Debian 17.5-1)" and the server's parameter server_version. Releases before 10
// all give 9.
func Major(text string) (int, error) {
	digits := len(text) - len(strings.TrimLeft(text, "0123456789"))
	major, err := strconv.Atoi(text[:digits])
	if err != nil {
		return 0, fmt.Errorf("%.40q does not begin with a version of PostgreSQL", text)
	}
	return major, nil
}

// MajorOfNum is the major version in a server_version_num: 15 for 150018. Releases
// before 10 all give 9.
// Source: https://www.postgresql.org/docs/18/libpq-status.html#LIBPQ-PQSERVERVERSION
func MajorOfNum(num int) int { return num / 10000 }
