package bench

import (
	"bytes"
	"cmp"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

var rounds = flag.Int("rounds", 3, "how often each contender runs; the median counts")

// contender is one way to do a piece of work.
type contender struct {
	name string
	// before is what is not measured; may be nil.
	before func(b *testing.B)
	run    func(b *testing.B) sample
}

// sample is what one run took. CPU is that of plakar and of the clients that were
// started beside it, Plugin that of the plugin, for which plakar does not wait; the
// server's is in neither.
type sample struct {
	Wall   time.Duration
	CPU    time.Duration
	Plugin time.Duration
	Peak   int64 // the plugin's resident memory, bytes
	Added  int64 // to the store, bytes; 0 where it was not looked at
}

func (s sample) plus(o sample) sample {
	return sample{s.Wall + o.Wall, s.CPU + o.CPU, s.Plugin + o.Plugin, max(s.Peak, o.Peak), s.Added + o.Added}
}

// compare lets the contenders run in turn and returns the median of each.
func compare(b *testing.B, contenders []contender) []sample {
	b.Helper()
	samples := make([][]sample, len(contenders))
	for range *rounds {
		for i, c := range contenders {
			if c.before != nil {
				c.before(b)
			}
			got := c.run(b)
			say("%s: %v, CPU %v, plugin %v, peak %d MiB", c.name, got.Wall.Round(time.Millisecond), got.CPU.Round(time.Millisecond), got.Plugin.Round(time.Millisecond), got.Peak>>20)
			samples[i] = append(samples[i], got)
		}
	}
	medians := make([]sample, len(contenders))
	for i := range samples {
		medians[i] = median(samples[i])
	}
	return medians
}

// median takes each quantity's own median, and the largest peak of memory.
func median(samples []sample) sample {
	peak := slices.MaxFunc(samples, func(a, b sample) int { return cmp.Compare(a.Peak, b.Peak) }).Peak
	return sample{
		Wall: middle(samples, func(s sample) time.Duration { return s.Wall }),
		CPU:  middle(samples, func(s sample) time.Duration { return s.CPU }),

		Plugin: middle(samples, func(s sample) time.Duration { return s.Plugin }),
		Peak:   peak,
		Added:  middle(samples, func(s sample) int64 { return s.Added }),
	}
}

func middle[T cmp.Ordered](samples []sample, of func(sample) T) T {
	values := make([]T, 0, len(samples))
	for _, s := range samples {
		values = append(values, of(s))
	}
	slices.Sort(values)
	return values[len(values)/2]
}

// measure runs a command, with others piped into it, to its end.
func measure(b *testing.B, cmd *exec.Cmd, feeders ...*exec.Cmd) sample {
	b.Helper()
	var stderr bytes.Buffer
	all := append([]*exec.Cmd{cmd}, feeders...)
	for _, f := range feeders {
		r, w, err := os.Pipe()
		must(b, err)
		f.Stdout, f.Stderr, cmd.Stdin = w, &stderr, r
	}
	cmd.Stderr = &stderr
	begin := time.Now()
	for _, c := range all {
		must(b, c.Start())
	}
	for _, f := range feeders {
		must(b, errors.Join(f.Stdout.(*os.File).Close(), cmd.Stdin.(*os.File).Close()))
	}
	stop := make(chan struct{})
	watched := make(chan sample)
	go func() { watched <- watch(cmd.Process.Pid, stop) }()
	var errs []error
	for _, c := range slices.Backward(all) {
		errs = append(errs, c.Wait())
	}
	wall := time.Since(begin)
	close(stop)
	result := <-watched
	if err := errors.Join(errs...); err != nil {
		b.Fatalf("%s: %v\n%s", cmd, err, stderr.String())
	}
	result.Wall = wall
	for _, c := range all {
		result.CPU += c.ProcessState.UserTime() + c.ProcessState.SystemTime()
	}
	return result
}

// watch reads the CPU time and the peaks of memory of the plugin, a child of plakar
// and its worker, until stop; the kernel keeps both, so the last reading counts.
func watch(plakar int, stop <-chan struct{}) sample {
	ticker := time.NewTicker(25 * time.Millisecond)
	defer ticker.Stop()
	var last sample
	for {
		select {
		case <-stop:
			return last
		case <-ticker.C:
		}
		for _, pid := range children(strconv.Itoa(plakar)) {
			if s, ok := plugin(pid); ok {
				for _, worker := range children(pid) {
					w, _ := plugin(worker)
					s = sample{Plugin: s.Plugin + w.Plugin, Peak: s.Peak + w.Peak}
				}
				last = s
			}
		}
	}
}

func children(pid string) []string {
	lists, _ := filepath.Glob("/proc/" + pid + "/task/*/children")
	var pids []string
	for _, list := range lists {
		text, _ := os.ReadFile(list) //nolint:gosec // of /proc
		pids = append(pids, strings.Fields(string(text))...)
	}
	return pids
}

var peak = regexp.MustCompile(`VmHWM:\s*(\d+)`)

// clockTick is what /proc counts CPU time in.
// Source: proc(5), sysconf(_SC_CLK_TCK) is 100 on Linux
const clockTick = time.Second / 100

func plugin(pid string) (sample, bool) {
	exe, err := os.Readlink("/proc/" + pid + "/exe")
	if name := filepath.Base(exe); err != nil || !strings.HasPrefix(name, "postgres") && name != "floor" {
		return sample{}, false
	}
	status, err := os.ReadFile("/proc/" + pid + "/status") //nolint:gosec // of /proc
	hwm := peak.FindSubmatch(status)
	if err != nil || hwm == nil {
		return sample{}, false
	}
	stat, err := os.ReadFile("/proc/" + pid + "/stat") //nolint:gosec // of /proc
	if err != nil {
		return sample{}, false
	}
	// The fields after the name in parentheses: utime and stime are the 12th and 13th.
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	kib, _ := strconv.ParseInt(string(hwm[1]), 10, 64)
	user, _ := strconv.ParseInt(fields[11], 10, 64)
	system, _ := strconv.ParseInt(fields[12], 10, 64)
	return sample{Plugin: time.Duration(user+system) * clockTick, Peak: kib << 10}, true
}

// say prints at once: a benchmark's log is cut after ten lines.
func say(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }

func must(b *testing.B, err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}
