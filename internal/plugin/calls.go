package plugin

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"

	"github.com/PlakarKorp/integration-postgresql/internal/shutdown"
)

// errShutdown is why calls end when plakar is gone or closes the connector.
var errShutdown = errors.New("the plugin was ended")

// calls are the calls of plakar that run. Here is the rule of ending: the connector is
// closed once, when its calls have ended, whether plakar asked for it or is gone.
type calls struct {
	lifetime *shutdown.Lifetime
	running  sync.RWMutex // read: by a call; written: by the end, for ever

	first atomic.Bool                 // Init was called
	close func(context.Context) error // of the connector; nil unless Init succeeded

	once  sync.Once
	ended chan struct{}
	err   error // of close, when ended is closed
}

func newCalls() *calls {
	return &calls{lifetime: shutdown.NewLifetime(), ended: make(chan struct{})}
}

// beginFirst marks the beginning of Init, which makes the connector, once.
func (c *calls) beginFirst(ctx context.Context) (_ context.Context, done func(), err error) {
	if c.first.Swap(true) {
		return nil, nil, errors.New("plakar called Init a second time")
	}
	return c.run(ctx)
}

// begin marks the beginning of a call of the connector, whose context ends when the
// lifetime does.
func (c *calls) begin(ctx context.Context) (_ context.Context, done func(), err error) {
	ctx, done, err = c.run(ctx)
	if err == nil && c.close == nil {
		done()
		return nil, nil, errors.New("plakar calls a connector that Init has not made")
	}
	return ctx, done, err
}

func (c *calls) run(ctx context.Context) (_ context.Context, done func(), err error) {
	if !c.running.TryRLock() {
		return nil, nil, errShutdown
	}
	ctx, cancel := c.lifetime.CallContext(ctx)
	return ctx, func() {
		cancel(nil)
		c.running.RUnlock()
	}, nil
}

// end ends all calls, waits for them and closes the connector.
func (c *calls) end() error {
	c.lifetime.End(errShutdown)
	go c.once.Do(func() {
		defer close(c.ended)
		c.running.Lock()
		if c.close == nil {
			return
		}
		ctx, cancel := c.lifetime.CallContext(context.Background())
		defer cancel(nil)
		ctx, stop := shutdown.CleanupContext(ctx)
		defer stop()
		c.err = c.close(ctx)
	})
	select {
	case <-c.ended:
	case <-c.lifetime.Over():
	}
	select {
	case <-c.ended:
		return c.err
	default:
		return errors.New("what plakar called did not end in time")
	}
}
