package recordname

import (
	"fmt"
	"net/url"
	"path"
	"strings"
)

// Names within the directory of a database that is dumped in parts. Sorted they are
// in the order in which they can be restored, which is the one that plakar hands
// them over in.
const (
	preData       = "1-pre-data" + suffix
	dataDirectory = "2-data"
	others        = "others" + suffix // no table's file: those have a dot more
	postData      = "3-post-data" + suffix
)

// maxName is how long a file's name can be, in bytes, on the file systems that
// somebody may restore to.
const maxName = 255

// Section is a part of a dump, as pg_dump's --section names it.
type Section string

// The sections, in the order in which they are restored.
const (
	PreData  Section = "pre-data"
	Data     Section = "data"
	PostData Section = "post-data"
)

// Part is what the path of a part of a database's dump says.
type Part struct {
	Section Section
	// Directory is the path of the database's directory; "/" where plakar was asked for
	// less than the directory: it leaves out what is above.
	Directory string
	// Database is "" where Directory does not tell.
	Database string
	// Schema and Table are "" unless the part is the data of one table.
	Schema, Table string
}

// Directory returns the path of the directory with the parts of database, the number-th
// of the snapshot, counted from 1.
func Directory(number int, database string) string {
	return strings.TrimSuffix(Dump(number, database), suffix)
}

// DataDirectory returns the path of the directory with the data in a database's directory.
func DataDirectory(dir string) string { return dir + "/" + dataDirectory }

// PreDataFile returns the path of the definitions in a database's directory.
func PreDataFile(dir string) string { return dir + "/" + preData }

// PostDataFile returns the path of what is restored after the data: indexes,
// constraints, triggers.
func PostDataFile(dir string) string { return dir + "/" + postData }

// OthersFile returns the path of the data of all tables that have no file of
// their own.
func OthersFile(dir string) string { return DataDirectory(dir) + "/" + others }

// TableFile returns the path of the data of one table; ok is false if its name
// would be too long.
func TableFile(dir, schema, table string) (pathname string, ok bool) {
	name := tableName(schema, table)
	return DataDirectory(dir) + "/" + name, len(name) <= maxName
}

// tableName encodes the dots within the names, so that the one between them is the
// only one.
func tableName(schema, table string) string {
	undotted := func(name string) string { return strings.ReplaceAll(encode(name), ".", "%2E") }
	name := undotted(schema) + "." + undotted(table) + suffix
	if _, taken := Database(name); taken {
		// Alone, the file would be taken for a database's.
		name = fmt.Sprintf("%%%02X%s", name[0], name[1:])
	}
	return name
}

// ParsePart reads the path of a part; ok is false if it is none.
func ParsePart(pathname string) (p Part, ok bool) {
	dir, base := path.Dir(pathname), path.Base(pathname)
	switch base {
	case preData:
		p.Section = PreData
	case postData:
		p.Section = PostData
	default:
		if p.Schema, p.Table, ok = tableOf(base); !ok && base != others {
			return Part{}, false
		}
		p.Section = Data
		if path.Base(dir) == dataDirectory {
			dir = path.Dir(dir)
		} else if dir != "/" {
			return Part{}, false
		}
	}
	p.Directory = dir
	p.Database, _ = Database(path.Base(dir) + suffix)
	return p, true
}

// tableOf reads the name of a table's file.
func tableOf(base string) (schema, table string, ok bool) {
	name, ok := strings.CutSuffix(base, suffix)
	if !ok {
		return "", "", false
	}
	first, second, ok := strings.Cut(name, ".")
	if !ok {
		return "", "", false
	}
	schema, err := url.PathUnescape(first)
	if err != nil {
		return "", "", false
	}
	table, err = url.PathUnescape(second)
	if err != nil || schema == "" || table == "" || tableName(schema, table) != base {
		return "", "", false
	}
	return schema, table, true
}
