package check

import (
	"context"
	"fmt"
	"strings"

	"github.com/PlakarKorp/integration-postgresql/internal/pgtools"
	"github.com/PlakarKorp/integration-postgresql/internal/proc"
)

// keep starts the server once more, so that it outlives the plugin, and says how to connect to
// it and how to remove it. The guard does nothing any more when it runs.
func (s *server) keep(ctx context.Context) (string, error) {
	s.stop()
	words := make([]string, 0, len(s.args))
	for _, word := range s.args[2:] { // behind -D, which pg_ctl has by itself
		words = append(words, shellQuote(word))
	}
	const wait = "86400" // seconds: it recovers once more
	c := s.command(pgtools.PgCtl, "start", "--wait", "--timeout="+wait, "--silent", "--pgdata="+s.path(dataName), "--log="+s.path("log"),
		"--options="+strings.Join(words, " "))
	if err := proc.Run(ctx, c); err != nil {
		return "", err
	}
	if err := s.scratch.keep(); err != nil {
		return "", err
	}
	as := ""
	if s.as != nil {
		as = fmt.Sprintf("setpriv --reuid=%d --regid=%d --clear-groups ", s.user.UID, s.user.GID)
	}
	return fmt.Sprintf("the server is running; connect to it: psql -h %s -p %s -U %s -d %s\nremove it: %s%s stop -m immediate -D %s; rm -rf %s\n",
		shellQuote(s.path(socketName)), port, shellQuote(s.info.User()), shellQuote(s.info.ConnectsTo()),
		as, shellQuote(s.tools.Path(pgtools.PgCtl)), shellQuote(s.path(dataName)), shellQuote(s.dir)), nil
}

// shellQuote quotes a word for a shell.
func shellQuote(word string) string { return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'" }
