package physical

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"github.com/PlakarKorp/integration-postgresql/internal/proc"
)

// look finds what the user has to know before the first start.
func (r *restore) look(ctx context.Context) {
	main := &configuration{read: r.readConfig, there: r.plan.data.root.FS(), settings: make(map[string]string)}
	if err := main.file(mainConf, 0); err != nil {
		r.warn(mainConf + " could not be read: " + err.Error())
		return
	}
	auto, err := r.readConfig(autoConf)
	if err != nil {
		r.warn(autoConf + " could not be read: " + err.Error())
	}
	if !r.exists(mainConf) {
		r.warn(fmt.Sprintf("the backup holds no postgresql.conf (on Debian and Ubuntu it is in /etc/postgresql): start the copy with one, like %s",
			r.start(setting{"config_file", fmt.Sprintf("/etc/postgresql/%d/main/postgresql.conf", r.major)}, setting{"data_directory", r.plan.data.path})))
	} else {
		r.lookElsewhere(main.settings, parseConf(auto))
	}
	if len(main.elsewhere) > 0 {
		r.warn("the configuration includes files that did not come with the backup: the copy reads those of the original, or does not start without; " +
			"copy them by hand and correct the lines: " + strings.Join(main.elsewhere, ", "))
	}
	r.lookCollations(ctx)
}

// lookElsewhere warns of settings by which the copy would use the original's files. That
// of data_directory outranks -D.
func (r *restore) lookElsewhere(main, auto map[string]string) {
	var found []string
	var fixed []setting
	for name, file := range map[string]string{
		"data_directory": "", "hba_file": "pg_hba.conf", "ident_file": "pg_ident.conf", "external_pid_file": "none",
	} {
		value, set := auto[name]
		if !set {
			value, set = main[name]
		}
		if !set || value == "" {
			continue
		}
		found = append(found, name+" = "+quote(value))
		switch {
		case name == "data_directory":
			fixed = append(fixed, setting{name, r.plan.data.path})
		case name == "external_pid_file":
			fixed = append(fixed, setting{name, ""})
		case r.exists(file):
			fixed = append(fixed, setting{name, r.plan.data.path + "/" + file})
		}
	}
	if len(found) == 0 {
		return
	}
	slices.Sort(found)
	slices.SortFunc(fixed, func(a, b setting) int { return strings.Compare(a.name, b.name) })
	r.warn(fmt.Sprintf("postgresql.conf leads to files of the original: %s; start the copy with %s", strings.Join(found, ", "), r.start(fixed...)))
}

// start is the command that starts the copy.
func (r *restore) start(settings ...setting) string {
	command := "postgres -D " + shellQuote(r.plan.data.path)
	for _, s := range settings {
		command += " -c " + s.name + "=" + shellQuote(s.value)
	}
	return command
}

// shellQuote quotes a word for a shell, where that is needed.
func shellQuote(word string) string {
	plain := func(c rune) bool {
		return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.ContainsRune("/._-+:@%", c)
	}
	if word != "" && strings.IndexFunc(word, func(c rune) bool { return !plain(c) }) < 0 {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

// lookCollations compares the C library's version with that under which the indexes on
// text were built. ICU's is not known here; the server itself warns of both when someone
// connects.
func (r *restore) lookCollations(ctx context.Context) {
	here := libcVersion(ctx)
	if here == "" {
		return
	}
	var names []string
	there := ""
	for _, d := range r.snapshot.Databases {
		if d.CollationVersion == nil || d.LocaleProvider == nil || *d.LocaleProvider != "libc" || *d.CollationVersion == here {
			continue
		}
		there = *d.CollationVersion
		names = append(names, d.Name)
	}
	if len(names) > 0 {
		r.warn(fmt.Sprintf("text sorts by version %s of the C library in the backup, here it is %s: indexes on text may be wrong; "+
			"after the start, run REINDEX DATABASE and ALTER DATABASE ... REFRESH COLLATION VERSION in: %s", there, here, strings.Join(names, ", ")))
	}
}

// libcVersion is the version of glibc, as PostgreSQL records it; "" where that is not
// known.
func libcVersion(ctx context.Context) string {
	getconf, err := proc.LookPath("getconf")
	if err != nil {
		return ""
	}
	out, err := proc.Output(ctx, proc.Command{Path: getconf, Args: []string{"GNU_LIBC_VERSION"}})
	if err != nil {
		return ""
	}
	version, ok := strings.CutPrefix(strings.TrimSpace(out), "glibc ")
	if !ok {
		return ""
	}
	return version
}

// say tells how to go on.
func (r *restore) say() {
	text := fmt.Sprintf("%s is complete: start it with PostgreSQL %d", r.plan.data.path, r.major)
	if base := r.snapshot.Base; base != nil {
		if segment, ok := r.check.segments.Name(base.Timeline, base.EndLSN); ok {
			text += fmt.Sprintf("; to recover beyond the end of the backup (%s), WAL is needed from the segment %s on", base.EndLSN, segment)
		}
	}
	slog.Info(text)
}
