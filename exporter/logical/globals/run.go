package globals

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"github.com/jackc/pgerrcode"

	"github.com/PlakarKorp/integration-postgresql/exporter/logical/server"
	"github.com/PlakarKorp/integration-postgresql/internal/sqlscript"
)

// runner runs chosen statements.
type runner struct {
	session     *server.Session
	exitOnError bool

	errors  server.Errors
	refused []refusedGrant
}

// refusedGrant is a membership that was not granted in the name of who granted it at the
// source.
type refusedGrant struct {
	statement sqlscript.Statement
	grantor   string
	err       error
}

// run runs the statements in their order, and then once more what depended on others.
func (r *runner) run(ctx context.Context, statements []sqlscript.Statement) error {
	for _, s := range statements {
		if err := r.one(ctx, s); err != nil {
			return err
		}
	}
	return r.grantRefused(ctx)
}

// one runs one statement. Its error means to stop; others are kept for the end.
func (r *runner) one(ctx context.Context, s sqlscript.Statement) error {
	err := r.session.Run(ctx, s)
	switch code := server.Code(err); {
	case err == nil, code == pgerrcode.DuplicateObject:
		return nil
	case grantorRefused(code):
		if a := s.Read(); a.Class == sqlscript.Membership && a.Grantor != "" {
			r.refused = append(r.refused, refusedGrant{s, a.Grantor, err})
			return nil
		}
	}
	return r.failed(ctx, err)
}

// failed keeps an error, and returns all of them if there is no point in going on.
func (r *runner) failed(ctx context.Context, err error) error {
	r.errors.Add(err)
	if r.exitOnError || ctx.Err() != nil || r.session.Lost() {
		return r.errors.Err()
	}
	return nil
}

// grantorRefused reports whether GRANTED BY may be why a membership was refused: the role
// is not there, may not grant it, or not to that one. From version 16 on, who grants has
// to have the ADMIN OPTION itself; the bootstrap superuser has it always, and may have
// another name here.
// Source: check_role_grantor in src/backend/commands/user.c
func grantorRefused(code string) bool {
	return slices.Contains([]string{pgerrcode.InsufficientPrivilege, pgerrcode.UndefinedObject, pgerrcode.InvalidGrantOperation}, code)
}

// grantRefused tries again what was refused, as long as one membership gives another
// grantor the right to grant; the rest is granted by who restores.
func (r *runner) grantRefused(ctx context.Context) error {
	for progress := true; progress && len(r.refused) > 0; {
		progress = false
		waiting := r.refused
		r.refused = nil
		for _, grant := range waiting {
			before := len(r.refused)
			if err := r.one(ctx, grant.statement); err != nil {
				return err
			}
			progress = progress || len(r.refused) == before
		}
	}
	for _, grant := range r.refused {
		if err := r.session.Run(ctx, grant.statement.WithoutGrantor()); err != nil {
			if err := r.failed(ctx, err); err != nil {
				return err
			}
			continue
		}
		slog.Warn(fmt.Sprintf("%s: it was granted by the role that restores, and not by %q as at the source: %v", grant.statement.Subject(), grant.grantor, grant.err))
	}
	return r.errors.Err()
}

func warnPowers(role string, powers []string) {
	slog.Warn(fmt.Sprintf("role %q was created without %s, since a part of the snapshot is restored: globals=all restores roles as they were", role, strings.Join(powers, ", ")))
}
