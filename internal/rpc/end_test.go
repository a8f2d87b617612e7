package rpc

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	gconn "github.com/PlakarKorp/integration-grpc"
	"github.com/PlakarKorp/integration-grpc/importer"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// TestCancel: a call that the client gives up ends, whatever it waits for.
func TestCancel(t *testing.T) {
	ended := make(chan error, 1)
	client, _, _ := serve(t, &service{open: func(path string, stream grpc.ServerStreamingServer[importer.OpenResponse]) error {
		if path == "/other" {
			return sendAll("other", stream)
		}
		err := sendAll("begun", stream)
		for path == "/sending" && err == nil {
			err = sendAll(content(path, 1<<20), stream)
		}
		if path == "/waiting" {
			Wait(stream.Context())
			<-stream.Context().Done()
			err = context.Cause(stream.Context())
		}
		ended <- err
		return err
	}})
	for _, path := range []string{"/sending", "/waiting"} {
		ctx, cancel := context.WithCancel(within(t))
		stream, err := client.Open(ctx, &importer.OpenRequest{Record: &gconn.Record{Pathname: path}})
		if err != nil {
			t.Fatal(err)
		}
		if m, err := stream.Recv(); err != nil || string(m.GetChunk()) != "begun" {
			t.Fatalf("%s: %q, %v", path, m.GetChunk(), err)
		}
		// The one is stuck for want of room, the other waits: this one is served.
		if text, err := fetch(within(t), client, "/other"); err != nil || text != "other" {
			t.Fatalf("another call meanwhile: %q, %v", text, err)
		}
		cancel()
		select {
		case err := <-ended:
			if status.Code(err) != codes.Canceled {
				t.Errorf("%s: %v", path, err)
			}
		case <-time.After(patience):
			t.Fatalf("%s goes on", path)
		}
	}
}

// TestHangUp: when the client is gone, Serve returns, and calls end.
func TestHangUp(t *testing.T) {
	began, over := make(chan struct{}), make(chan error, 1)
	client, hangUp, ended := serve(t, &service{ping: func(ctx context.Context) error {
		close(began)
		<-ctx.Done()
		over <- context.Cause(ctx)
		return nil
	}})
	go func() { _, _ = client.Ping(within(t), &importer.PingRequest{}) }()
	<-began
	hangUp()
	for what, c := range map[string]<-chan error{"Serve": ended, "the call": over} {
		select {
		case err := <-c:
			if what == "Serve" && err != nil {
				t.Error(err)
			}
		case <-time.After(patience):
			t.Errorf("%s goes on", what)
		}
	}
}

// TestEnd: a call ends behind the message that is being sent, and whatever else it does
// ends as well.
func TestEnd(t *testing.T) {
	began, received, sent := make(chan struct{}), make(chan error, 1), make(chan error, 1)
	client, _, _ := serve(t, &service{both: func(stream grpc.BidiStreamingServer[importer.ImportRequest, importer.ImportResponse]) error {
		go func() {
			_, err := stream.Recv()
			received <- err
		}()
		go func() {
			for {
				if err := stream.Send(&importer.ImportResponse{Record: &gconn.Record{Pathname: strings.Repeat("x", 100<<10)}}); err != nil {
					sent <- err
					return
				}
			}
		}()
		time.Sleep(200 * time.Millisecond) // there is no room any more
		close(began)
		return errors.New("the dump failed")
	}})
	stream, err := client.Import(within(t))
	if err != nil {
		t.Fatal(err)
	}
	<-began
	time.Sleep(100 * time.Millisecond)
	for err == nil {
		_, err = stream.Recv()
	}
	if status.Convert(err).Message() != "the dump failed" {
		t.Error(err)
	}
	for what, c := range map[string]<-chan error{"receiving": received, "sending": sent} {
		select {
		case err := <-c:
			if err == nil {
				t.Errorf("%s did not fail", what)
			}
		case <-time.After(patience):
			t.Errorf("%s goes on", what)
		}
	}
}

// TestLateWait: a call that has ended does not read the connection.
func TestLateWait(t *testing.T) {
	client, _, _ := serve(t, &service{open: func(_ string, stream grpc.ServerStreamingServer[importer.OpenResponse]) error {
		go func() {
			time.Sleep(10 * time.Millisecond)
			Wait(stream.Context())
		}()
		return sendAll("content", stream)
	}})
	for range 100 {
		if text, err := fetch(within(t), client, "/"); err != nil || text != "content" {
			t.Fatal(text, err)
		}
	}
}

// TestManyCanceled: grpc-go stops reading while it has many cancellations to write. That
// must not stop the server from reading them, however much it has to write.
func TestManyCanceled(t *testing.T) {
	client, _, _ := serve(t, &service{
		ping: func(context.Context) error { return nil },
		both: func(stream grpc.BidiStreamingServer[importer.ImportRequest, importer.ImportResponse]) error {
			for {
				if _, err := stream.Recv(); err != nil {
					return err
				}
			}
		},
		open: func(path string, stream grpc.ServerStreamingServer[importer.OpenResponse]) error {
			Wait(stream.Context())
			err := sendAll("begun", stream)
			for block := content(path, 128<<10); err == nil && path == "/endless"; {
				err = sendAll(block, stream)
			}
			if err == nil {
				<-stream.Context().Done()
			}
			return err
		},
	})
	ctx, stop := context.WithTimeout(t.Context(), 3*patience)
	t.Cleanup(stop)
	for range 3 {
		go func() { _, _ = fetch(ctx, client, "/endless") }()
	}
	go func() {
		stream, err := client.Import(ctx)
		for err == nil {
			err = stream.Send(&importer.ImportRequest{Result: &gconn.Result{Header: &gconn.Record{Pathname: strings.Repeat("x", 64<<10)}}})
		}
	}()
	for range 2 {
		canceled, cancel := context.WithCancel(ctx)
		for range 100 {
			stream, err := client.Open(canceled, &importer.OpenRequest{Record: &gconn.Record{Pathname: "/waiting"}})
			if err == nil {
				_, err = stream.Recv()
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		cancel()
		if _, err := client.Ping(ctx, &importer.PingRequest{}); err != nil {
			t.Fatal(err)
		}
	}
}
