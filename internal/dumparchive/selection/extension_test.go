package selection

import (
	"slices"
	"testing"

	"github.com/PlakarKorp/integration-postgresql/internal/dumparchive"
)

// The rows of an extension's own table are all that an archive has of it.
func TestExtensionTable(t *testing.T) {
	toc := archiveOf(t,
		dumparchive.Entry{Desc: "EXTENSION", Tag: "postgis", Defn: "CREATE EXTENSION IF NOT EXISTS postgis WITH SCHEMA public;", Section: dumparchive.SectionPreData},
		dumparchive.Entry{Desc: "EXTENSION", Tag: "pg_cron", Defn: "CREATE EXTENSION IF NOT EXISTS pg_cron WITH SCHEMA pg_catalog;", Section: dumparchive.SectionPreData},
		dumparchive.Entry{Desc: "TABLE", Namespace: "public", Tag: "t", Section: dumparchive.SectionPreData},
		dumparchive.Entry{Desc: "TABLE DATA", Namespace: "cron", Tag: "job", Section: dumparchive.SectionData, Dependencies: []int{91}},
		dumparchive.Entry{Desc: "TABLE DATA", Namespace: "public", Tag: "spatial_ref_sys", Section: dumparchive.SectionData, Dependencies: []int{92}},
		dumparchive.Entry{Desc: "TABLE DATA", Namespace: "public", Tag: "t", Section: dumparchive.SectionData, Dependencies: []int{3}},
		dumparchive.Entry{Desc: "SEQUENCE SET", Namespace: "cron", Tag: "jobid_seq", Section: dumparchive.SectionData, Dependencies: []int{93}},
	)
	table, job := Object{"TABLE", "public", "spatial_ref_sys"}, Object{"TABLE", "cron", "job"}
	madeBy := func(schema string) string { return map[string]string{"cron": "pg_cron"}[schema] }
	for _, c := range []struct {
		request        Request
		list           []int
		left, existing []Object
	}{
		// On an empty target the extension makes it.
		{Request{Tables: []string{"spatial_ref_sys"}}, []int{1, 5}, nil, nil},
		{Request{Tables: []string{"job"}, MadeBy: madeBy}, []int{2, 4}, nil, nil},
		{Request{Tables: []string{"job"}}, []int{1, 2, 4}, nil, nil}, // who knows
		{Request{Schemas: []string{"cron"}, MadeBy: madeBy}, []int{2, 4, 7}, nil, nil},
		{Request{Schemas: []string{"public"}}, []int{1, 3, 5, 6}, nil, nil},
		// On one that has it the rows are not added to those that the extension has made.
		{Request{Schemas: []string{"public"}, Exists: has(table, Object{Kind: "EXTENSION", Name: "postgis"})}, []int{3, 6}, []Object{table}, nil},
		{Request{Schemas: []string{"public"}, Exists: has(table), Clean: true}, []int{1, 3, 6}, []Object{table}, nil},
		{Request{Tables: []string{"spatial_ref_sys"}, Exists: has(table)}, nil, []Object{table}, nil},
		{Request{Schemas: []string{"cron"}, Exists: has(job, Object{"SEQUENCE", "cron", "jobid_seq"})}, nil, []Object{job, {"SEQUENCE", "cron", "jobid_seq"}}, nil},
		// Unless that is what was asked for.
		{Request{Tables: []string{"spatial_ref_sys"}, Exists: has(table), Fill: true}, []int{5}, nil, []Object{table}},
	} {
		r, _ := selected(t, toc, c.request)
		if !slices.Equal(r.Lists[0], c.list) || !slices.Equal(r.LeftAlone, c.left) || !slices.Equal(r.Existing, c.existing) {
			t.Errorf("%+v: %+v", c.request, r)
		}
	}
	if r, complete := Whole([]*dumparchive.TOC{toc}, Request{Exists: has(public, table, Object{Kind: "SCHEMA", Name: "pg_catalog"})}); !complete || len(r.LeftAlone) > 0 {
		t.Errorf("%+v, %v", r, complete)
	}
}
