package rpc

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	gconn "github.com/PlakarKorp/integration-grpc"
	"github.com/PlakarKorp/integration-grpc/importer"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
)

// raw is a client that speaks frames.
type raw struct {
	*http2.Framer

	t      *testing.T
	frames chan http2.Frame
	block  bytes.Buffer
	fields *hpack.Encoder
}

// newRaw connects a client that has read what the server begins with.
func newRaw(t *testing.T, s *service, settings ...http2.Setting) *raw {
	t.Helper()
	near, far := connect(t)
	go func() {
		server := &Server{Quick: map[string]bool{importer.Importer_Open_FullMethodName: true}}
		importer.RegisterImporterServer(server, s)
		_ = server.Serve(far.r, far.w)
	}()
	c := &raw{Framer: http2.NewFramer(near.w, near.r), t: t, frames: make(chan http2.Frame)}
	c.fields = hpack.NewEncoder(&c.block)
	c.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	go func() {
		defer close(c.frames)
		for {
			frame, err := c.ReadFrame()
			if err != nil {
				return
			}
			if data, ok := frame.(*http2.DataFrame); ok {
				frame = &http2.DataFrame{FrameHeader: data.FrameHeader} // the content is not kept
			}
			select {
			case c.frames <- frame:
			case <-t.Context().Done():
				return
			}
		}
	}()
	_, err := io.WriteString(near.w, http2.ClientPreface)
	c.must(err, c.WriteSettings(settings...))
	if s, ok := c.next().(*http2.SettingsFrame); !ok || s.IsAck() {
		t.Fatalf("it begins with %v", s)
	}
	c.expect("a window", func(f http2.Frame) bool { _, ok := f.(*http2.WindowUpdateFrame); return ok })
	c.expect("that the settings are known", func(f http2.Frame) bool { s, ok := f.(*http2.SettingsFrame); return ok && s.IsAck() })
	return c
}

func (c *raw) must(errs ...error) {
	c.t.Helper()
	if err := errors.Join(errs...); err != nil {
		c.t.Fatal(err)
	}
}

// next is the next frame, or nil if the server sends none.
func (c *raw) next() http2.Frame {
	select {
	case f := <-c.frames:
		return f
	case <-time.After(patience):
		return nil
	}
}

func (c *raw) expect(what string, is func(http2.Frame) bool) {
	c.t.Helper()
	if f := c.next(); f == nil || !is(f) {
		c.t.Fatalf("%v, want %s", f, what)
	}
}

// silence checks that the server sends nothing.
func (c *raw) silence() {
	c.t.Helper()
	select {
	case f := <-c.frames:
		c.t.Fatalf("%v, want nothing", f)
	case <-time.After(200 * time.Millisecond):
	}
}

// call begins a call with one request.
func (c *raw) call(id uint32, method string, request proto.Message) {
	c.t.Helper()
	c.must(c.request(id, method, request))
}

func (c *raw) request(id uint32, method string, request proto.Message) error {
	c.block.Reset()
	for _, f := range [][2]string{{":method", "POST"}, {":scheme", "http"}, {":path", method}, {"content-type", "application/grpc"}} {
		_ = c.fields.WriteField(hpack.HeaderField{Name: f[0], Value: f[1]}) // to a buffer
	}
	p, err := proto.Marshal(request)
	return errors.Join(err,
		c.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: c.block.Bytes(), EndHeaders: true}),
		c.WriteData(id, true, append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(p))), p...))) //nolint:gosec // small
}

func (c *raw) open(id uint32, path string) {
	c.t.Helper()
	c.call(id, importer.Importer_Open_FullMethodName, &importer.OpenRequest{Record: &gconn.Record{Pathname: path}})
}

// isData tells data of a size from other frames.
func isData(size uint32) func(http2.Frame) bool {
	return func(f http2.Frame) bool { d, ok := f.(*http2.DataFrame); return ok && d.Length == size }
}

func isHeaders(last bool) func(http2.Frame) bool {
	return func(f http2.Frame) bool { h, ok := f.(*http2.MetaHeadersFrame); return ok && h.StreamEnded() == last }
}

func isAnswer(data [8]byte) func(http2.Frame) bool {
	return func(f http2.Frame) bool { p, ok := f.(*http2.PingFrame); return ok && p.IsAck() && p.Data == data }
}

// sized opens files whose names are their sizes.
func sized(path string, stream grpc.ServerStreamingServer[importer.OpenResponse]) error {
	size, err := strconv.Atoi(path)
	if err != nil {
		return err
	}
	return sendAll(content(path, size), stream)
}

// TestWindows: no more is sent than the client has room for, of a call and of all.
func TestWindows(t *testing.T) {
	c := newRaw(t, &service{open: sized}, http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1000})
	c.open(1, "10000")
	c.expect("headers", isHeaders(false))
	c.expect("what there is room for", isData(1000))
	c.silence()
	c.must(c.WriteWindowUpdate(1, 500))
	c.expect("more", isData(500))
	c.silence()
	c.must(c.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 3000}, http2.Setting{ID: http2.SettingMaxFrameSize, Val: 20_000}))
	c.expect("that it is known, and more", func(f http2.Frame) bool { _, ok := f.(*http2.SettingsFrame); return ok })
	c.expect("more", isData(2000))
	c.open(3, "1") // while the first waits
	c.expect("headers", isHeaders(false))
	c.expect("another file", isData(5+2+1))
	c.expect("its end", isHeaders(true))
	c.must(c.WriteWindowUpdate(1, 1<<20))
	c.expect("the rest", isData(10_000+5+3-3500))
	c.expect("the end", isHeaders(true))

	c.must(c.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1 << 20}))
	c.expect("that it is known", func(f http2.Frame) bool { _, ok := f.(*http2.SettingsFrame); return ok })
	c.open(5, "100000") // the window of all calls is 65,535
	c.expect("headers", isHeaders(false))
	sum := uint32(10_008 + 8)
	for sum < 65_535 {
		d, ok := c.next().(*http2.DataFrame)
		if !ok {
			t.Fatal("no data")
		}
		sum += d.Length
	}
	if sum != 65_535 {
		t.Errorf("%d bytes were sent", sum)
	}
	c.silence()
	c.must(c.WriteRSTStream(5, http2.ErrCodeCancel))
	c.must(c.WritePing(false, [8]byte{1}))
	c.expect("an answer", isAnswer([8]byte{1}))
}

// TestProbe: grpc-go's measurement is answered when enough was sent; other pings are at
// once.
func TestProbe(t *testing.T) {
	c := newRaw(t, &service{open: sized}, http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1 << 30})
	c.must(c.WriteWindowUpdate(0, 1<<30))
	const size = 1 << 20
	sum := 0
	take := func() (probes int) {
		for {
			switch f := c.next().(type) {
			case *http2.DataFrame:
				sum += int(f.Length)
			case *http2.PingFrame:
				probes++
			case *http2.MetaHeadersFrame:
				if f.StreamEnded() {
					return probes
				}
			default:
				t.Fatal(f)
			}
		}
	}
	c.must(c.WritePing(false, probe))
	for id := uint32(1); sum < answerAfter-2*size; id += 2 {
		c.open(id, strconv.Itoa(size))
		if probes := take(); probes != 0 {
			t.Fatalf("answered after %d bytes", sum)
		}
	}
	c.must(c.WritePing(false, [8]byte{7}))
	c.expect("an answer", isAnswer([8]byte{7}))
	probes := 0
	for id := uint32(1001); id < 1007; id += 2 {
		c.open(id, strconv.Itoa(size))
		probes += take()
	}
	if probes != 1 {
		t.Errorf("%d answers after %d bytes", probes, sum)
	}
}

// TestOneWrite: the answer for a small file is one write, after which the client has
// all of it.
func TestOneWrite(t *testing.T) {
	near, far := connect(t)
	w := &writes{w: far.w}
	go func() {
		server := &Server{Quick: map[string]bool{importer.Importer_Open_FullMethodName: true}}
		importer.RegisterImporterServer(server, &service{open: sized})
		_ = server.Serve(far.r, w)
	}()
	c := &raw{Framer: http2.NewFramer(near.w, near.r), t: t}
	c.fields = hpack.NewEncoder(&c.block)
	_, err := io.WriteString(near.w, http2.ClientPreface)
	c.must(err, c.WriteSettings())
	const files = 50
	for id := range uint32(files) {
		c.open(2*id+1, "8192")
		for ended := false; !ended; {
			f, err := c.ReadFrame()
			c.must(err)
			ended = f.Header().Type == http2.FrameHeaders && f.Header().Flags.Has(http2.FlagHeadersEndStream)
		}
		if id == 6 { // the window of all calls
			c.must(c.WriteWindowUpdate(0, 1<<20))
		}
	}
	if n := w.n.Load(); n > files+5 {
		t.Errorf("%d writes for %d files", n, files)
	}
}

// writes counts writes.
type writes struct {
	w io.Writer
	n atomic.Int64
}

func (w *writes) Write(p []byte) (int, error) {
	w.n.Add(1)
	return w.w.Write(p)
}

// FuzzServe: whatever the client sends, Serve comes to an end.
func FuzzServe(f *testing.F) {
	f.Add([]byte{0, 0, 0, 4, 0, 0, 0, 0, 0})
	f.Add([]byte{0, 0, 4, 8, 0, 0, 0, 0, 0, 0, 0, 0, 1})
	var frames bytes.Buffer
	c := &raw{Framer: http2.NewFramer(&frames, nil)}
	c.fields = hpack.NewEncoder(&c.block)
	_ = c.request(1, importer.Importer_Open_FullMethodName, &importer.OpenRequest{Record: &gconn.Record{Pathname: "100000"}})
	_ = c.request(3, importer.Importer_Import_FullMethodName, &importer.ImportRequest{Result: &gconn.Result{Header: &gconn.Record{Pathname: "a"}}})
	f.Add(frames.Bytes())
	f.Fuzz(func(t *testing.T, frames []byte) {
		server := &Server{Quick: map[string]bool{importer.Importer_Open_FullMethodName: true}}
		importer.RegisterImporterServer(server, &service{open: sized})
		done := make(chan struct{})
		go func() {
			defer close(done)
			_ = server.Serve(strings.NewReader(http2.ClientPreface+string(frames)), io.Discard)
		}()
		select {
		case <-done:
		case <-time.After(patience):
			t.Fatal("it goes on")
		}
	})
}
