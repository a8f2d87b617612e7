package harness

import "strings"

// AwkwardNames are names that PostgreSQL accepts for a database, and that
// something between it and a snapshot may not.
var AwkwardNames = []string{
	"with space",
	" leading and trailing ",
	"UPPER case",
	`single'quote`,
	`double"quote`,
	"slash/../inside",
	"..",
	".leading dot",
	"-leading-dash",
	"--dbname=postgres",
	"a=b",
	"dbname=postgres host=nowhere.invalid",
	"postgres://x",
	"postgresql://u:p@nowhere.invalid/postgres?sslmode=require",
	"100%",
	"%2F%00%s",
	"new\nline",
	"\\connect postgres",
	"tab\tand\rreturn",
	"bell\a and escape\x1b[31m",
	`back\slash`,
	"ünïcödé — 漢字 🐘",
	"semi;colon $HOME `id` $(id) *?[a]",
	"comma,separated",
	"@at:colon#hash?query&and",
	"name.dump",
	"00001-numbered",
	"manifest.json",
	strings.Repeat("n", 63),
	strings.Repeat("é", 31), // 62 bytes; three times as many when percent-encoded
	strings.Repeat("/", 63),
}
