package conninfo

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/PlakarKorp/integration-postgresql/internal/options"
)

// TestPatience: a dead network is noticed, by pgx and by the tools alike, unless
// the user says otherwise.
func TestPatience(t *testing.T) {
	info := parse(t, options.Connection{})
	for _, want := range []string{"keepalives_idle='60'", "keepalives_interval='10'", "keepalives_count='6'"} {
		if !strings.Contains(info.ConnString(), want) {
			t.Errorf("ConnString() = %s, without %s", info.ConnString(), want)
		}
	}
	config, err := info.Config(context.Background())
	if err != nil || config.ConnectTimeout != 30*time.Second {
		t.Errorf("pgx waits for %s, %v", config.ConnectTimeout, err)
	}
	if d := info.dialer(); d.KeepAliveConfig != (net.KeepAliveConfig{Enable: true, Idle: time.Minute, Interval: 10 * time.Second, Count: 6}) || d.Control != nil {
		t.Errorf("dialer: %+v", d)
	}
	given := parse(t, options.Connection{Location: "postgres://h/?keepalives_idle=0&keepalives_count=2&tcp_user_timeout=5000"}, "PGCONNECT_TIMEOUT=3")
	if d := given.dialer(); d.KeepAliveConfig.Idle > 0 || d.KeepAliveConfig.Count != 2 || d.Control == nil {
		t.Errorf("dialer: %+v", d)
	}
	if config, err := given.Config(context.Background()); err != nil || config.ConnectTimeout != 3*time.Second {
		t.Errorf("pgx waits for %s, %v", config.ConnectTimeout, err)
	}
	if d := parse(t, options.Connection{Location: "postgres://h/?keepalives=0"}).dialer(); d.KeepAlive >= 0 || d.KeepAliveConfig.Enable {
		t.Errorf("dialer: %+v", d)
	}
	for _, bad := range []string{"keepalives_idle=1m", "connect_timeout=x", "tcp_user_timeout=5s"} {
		keyword, _, _ := strings.Cut(bad, "=")
		_, err := Parse(options.Connection{Location: "postgres://h/?" + bad}, nil)
		if err == nil || !strings.Contains(err.Error(), keyword) || !strings.Contains(err.Error(), "whole number") {
			t.Errorf("%s: %v", bad, err)
		}
	}
}
