package options

import "time"

// Reporting is what every connector can be told about how far it is.
type Reporting struct {
	// Progress is how often; 0 for never.
	Progress time.Duration `option:"progress" doc:"how often a line on standard error says how far each running dump, restore or base backup is, like 1m; never otherwise"`
}
