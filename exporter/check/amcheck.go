package check

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/PlakarKorp/integration-postgresql/internal/pgtools"
	"github.com/PlakarKorp/integration-postgresql/internal/proc"
)

// maxFindings is how many lines of pg_amcheck a problem has.
const maxFindings = 20

// amcheck has PostgreSQL's own tool look into the tables and B-trees of a database: whether
// they are whole, and whether the index has every row. The extension is made for that, in
// the scratch server only.
func (s *server) amcheck(ctx context.Context, name string, jobs int) error {
	info := s.info.WithDatabase(name)
	stream := proc.NewStream(ctx, func(ctx context.Context) (proc.Command, error) {
		env, err := info.Env(ctx)
		args := []string{"--heapallindexed", "--install-missing", "--no-password", "--jobs=" + strconv.Itoa(jobs), info.ConnString()}
		return proc.Command{Path: s.tools.Path(pgtools.PgAmcheck), Args: args, Env: env, Dir: "/", User: s.as}, err
	})
	var lines []string
	more := 0
	r := bufio.NewReader(stream)
	for {
		line, err := r.ReadString('\n')
		if line = strings.TrimSpace(line); line != "" && len(lines) < maxFindings {
			lines = append(lines, line)
		} else if line != "" {
			more++
		}
		if errors.Is(err, io.EOF) {
			return stream.Close()
		}
		if err == nil {
			continue
		}
		if closeErr := stream.Close(); ctx.Err() != nil {
			return errors.Join(context.Cause(ctx), closeErr)
		}
		if more > 0 {
			lines = append(lines, fmt.Sprintf("and %d more lines", more))
		}
		return fmt.Errorf("pg_amcheck found in database %q: %s (%w)", plain(name), plain(strings.Join(lines, "\n")), err)
	}
}
