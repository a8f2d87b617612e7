//go:build tools

package plakar

import _ "github.com/PlakarKorp/plakar"
