// Package ttlmap stands in for go.omarpolo.com/ttlmap, which plakar's web UI uses for
// signed download links and which module proxies do not serve. Written anew, ISC.
package ttlmap

import (
	"sync"
	"time"
)

type entry[V any] struct {
	value   V
	expires time.Time
}

// Map forgets each entry a fixed time after it was added.
type Map[K comparable, V any] struct {
	ttl     time.Duration
	mu      sync.Mutex
	entries map[K]entry[V]
}

// New returns an empty Map whose entries live for ttl.
func New[K comparable, V any](ttl time.Duration) *Map[K, V] {
	return &Map[K, V]{ttl: ttl, entries: make(map[K]entry[V])}
}

// AutoExpire starts removing expired entries in the background.
func (m *Map[K, V]) AutoExpire() {
	go func() {
		for now := range time.Tick(m.ttl) {
			m.mu.Lock()
			for key, e := range m.entries {
				if now.After(e.expires) {
					delete(m.entries, key)
				}
			}
			m.mu.Unlock()
		}
	}()
}

// Add stores value under key for the Map's time to live.
func (m *Map[K, V]) Add(key K, value V) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.entries[key] = entry[V]{value: value, expires: time.Now().Add(m.ttl)}
}

// Get returns the value under key unless it was never added or has expired.
func (m *Map[K, V]) Get(key K) (V, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	e, ok := m.entries[key]
	if !ok || time.Now().After(e.expires) {
		var zero V
		return zero, false
	}
	return e.value, true
}
