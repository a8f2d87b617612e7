package manifest

import (
	"bufio"
	"encoding/json"
	"time"
)

// The layout: every element of a list on a line of its own, which reads well and
// changes little from one backup to the next.
const (
	indent       = "  "
	entryIndent  = "      "
	relationsKey = ",\n" + entryIndent + `"relations": `
	listBegin    = "[\n" + entryIndent + indent
	listNext     = ",\n" + entryIndent + indent
	listEnd      = "\n" + entryIndent + "]"
	nullLists    = ",\n" + entryIndent + `"extensions": null` +
		",\n" + entryIndent + `"schemas": null` + relationsKey + "null"
)

// printer writes the document's frame. Errors of out are kept by out.
type printer struct {
	out   *bufio.Writer
	begun bool
}

func (p *printer) header(h Header, server *server, known *warnings) {
	p.field("version", Version)
	p.field("created_at", h.CreatedAt.UTC().Format(time.RFC3339Nano))
	p.field("connector", h.Connector)
	p.field("host", h.Host)
	p.field("port", h.Port)
	p.field("server_version", server.ServerVersion)
	p.field("server_version_num", server.ServerVersionNum)
	if h.PgDumpVersion != "" {
		p.field("pg_dump_version", h.PgDumpVersion)
	}
	if h.PgBasebackupVersion != "" {
		p.field("pg_basebackup_version", h.PgBasebackupVersion)
	}
	p.field("cluster_system_identifier", server.systemIdentifier)
	p.field("in_recovery", server.InRecovery)
	if h.Base != nil {
		p.field("base", h.Base)
	}
	if h.WAL != nil {
		p.field("wal", h.WAL)
	}
	if h.Database == "" {
		p.field("database", nil)
	} else {
		p.field("database", h.Database)
	}
	p.field("dump_format", h.DumpFormat)
	if options, err := json.Marshal(h.Options); err != nil {
		known.note("", "options not recorded: %v", err)
		p.field("options", struct{}{})
	} else if h.Options == nil {
		p.field("options", struct{}{})
	} else {
		p.field("options", json.RawMessage(options))
	}
	files := h.Files
	if files == nil {
		files = []File{}
	}
	printList(p, "files", files)
	p.field("cluster_config", server.config)
	printList(p, "roles", server.roles)
	printList(p, "tablespaces", server.tablespaces)
}

func (p *printer) footer(all []Warning) {
	if all == nil {
		all = []Warning{}
	}
	printList(p, "warnings", all)
	p.text("\n}\n")
}

func (p *printer) databasesBegin() {
	p.key("databases")
	p.text("[")
}

// databaseBegin leaves the entry's object open for its lists.
func (p *printer) databaseBegin(i int, info DatabaseInfo) {
	if i > 0 {
		p.text(",")
	}
	object := encode(info)
	p.text("\n" + indent + indent)
	_, _ = p.out.Write(object[:len(object)-1])
}

func (p *printer) databaseEnd() { p.text("\n" + indent + indent + "}") }

func (p *printer) databasesEnd(n int) {
	if n > 0 {
		p.text("\n" + indent)
	}
	p.text("]")
}

func (p *printer) field(name string, value any) {
	p.key(name)
	_, _ = p.out.Write(encode(value))
}

func (p *printer) key(name string) {
	if p.begun {
		p.text(",\n" + indent)
	} else {
		p.text("{\n" + indent)
	}
	p.begun = true
	p.text(`"` + name + `": `)
}

func (p *printer) text(s string) { _, _ = p.out.WriteString(s) }

// printList prints a list, one element a line; nil is null.
func printList[T any](p *printer, name string, items []T) {
	p.key(name)
	_, _ = p.out.Write(encodeList(items, indent))
}

// entryList is a list in the entry of a database.
func entryList[T any](name string, items []T) []byte {
	return append([]byte(",\n"+entryIndent+`"`+name+`": `), encodeList(items, entryIndent)...)
}

func encodeList[T any](items []T, margin string) []byte {
	switch {
	case items == nil:
		return []byte("null")
	case len(items) == 0:
		return []byte("[]")
	}
	text := []byte("[")
	for i, item := range items {
		if i > 0 {
			text = append(text, ',')
		}
		text = append(text, "\n"+margin+indent...)
		text = append(text, encode(item)...)
	}
	return append(text, "\n"+margin+"]"...)
}

// encode is for this package's own types, which always can be encoded.
func encode(value any) []byte {
	text, err := json.Marshal(value)
	if err != nil {
		panic("manifest: " + err.Error())
	}
	return text
}
