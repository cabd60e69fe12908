package transport_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/mesokit/mesokit/client/transport"
	"github.com/mesokit/mesokit/mesos/agentpb"
	"github.com/mesokit/mesokit/mesos/codec"
	"github.com/mesokit/mesokit/mesos/recordio"
	"github.com/mesokit/mesokit/mesos/schedulerpb"
)

func blackHole(ctx context.Context, _, _ string) (net.Conn, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func errorEvent(text string) *schedulerpb.Event {
	return &schedulerpb.Event{Type: schedulerpb.Event_ERROR.Enum(), Error: &schedulerpb.Event_Error{Message: proto.String(text)}}
}

func frame(cd codec.Codec, e proto.Message) []byte {
	body, err := cd.Append(nil, e)
	if err != nil {
		panic(err)
	}
	return recordio.AppendFrame(nil, body)
}

// streaming answers with a stream of raw bytes and then does what then says.
func streaming(cd codec.Codec, raw []byte, then func(*http.Request)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", cd.MediaType())
		w.Header().Set("Mesos-Stream-Id", "stream-1")
		_, _ = w.Write(raw)
		_ = http.NewResponseController(w).Flush()
		if then != nil {
			then(r)
		}
	}
}

func open(t *testing.T, client *transport.Client) *transport.Stream {
	t.Helper()
	stream, err := client.Stream(t.Context(), api, revive())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = stream.Close() })
	return stream
}

func TestStreamDeliversMessagesInOrderUntilItsEnd(t *testing.T) {
	for _, cd := range []codec.Codec{codec.JSON, codec.Protobuf} {
		want := []*schedulerpb.Event{errorEvent("a"), {Type: schedulerpb.Event_HEARTBEAT.Enum()}, errorEvent("c")}
		var raw []byte
		for _, e := range want {
			raw = append(raw, frame(cd, e)...)
		}
		client, network := serve(t, transport.Config{Codec: cd}, streaming(cd, raw, nil))
		stream := open(t, client)
		if stream.Header().Get("Mesos-Stream-Id") != "stream-1" || stream.MediaType() != cd.MediaType() {
			t.Errorf("header %v, media type %s", stream.Header(), stream.MediaType())
		}
		for i, w := range want {
			got := new(schedulerpb.Event)
			if err := stream.Next(got); err != nil {
				t.Fatalf("message %d: %v", i, err)
			}
			if diff := cmp.Diff(w, got, protocmp.Transform()); diff != "" {
				t.Errorf("message %d (-want +got):\n%s", i, diff)
			}
		}
		for range 2 {
			if err := stream.Next(new(schedulerpb.Event)); err != io.EOF {
				t.Errorf("at the end: %v", err)
			}
		}
		open(t, client)
		if network.Dials() != 1 {
			t.Errorf("%d connections, want the one of the stream that ended", network.Dials())
		}
	}
}

func TestCutStreamIsNoCleanEnd(t *testing.T) {
	whole := frame(codec.JSON, errorEvent("a"))
	for name, raw := range map[string]string{
		"cut in the length": string(whole) + "12",
		"cut in the body":   string(whole) + "12\n{",
		"no number":         string(whole) + "x\n{}",
		"negative":          string(whole) + "-1\n{}",
	} {
		client, _ := serve(t, transport.Config{Codec: codec.JSON}, streaming(codec.JSON, []byte(raw), nil))
		stream := open(t, client)
		if err := stream.Next(new(schedulerpb.Event)); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		err := stream.Next(new(schedulerpb.Event))
		var exchange *transport.ExchangeError
		if !errors.As(err, &exchange) || err == io.EOF {
			t.Errorf("%s: got %v (%T)", name, err, err)
		}
	}
}

func TestConnectionLostInAStreamIsAnExchangeError(t *testing.T) {
	client, _ := serve(t, transport.Config{Codec: codec.JSON}, streaming(codec.JSON, frame(codec.JSON, errorEvent("a")), func(*http.Request) { panic(http.ErrAbortHandler) }))
	stream := open(t, client)
	_ = stream.Next(new(schedulerpb.Event))
	var exchange *transport.ExchangeError
	if err := stream.Next(new(schedulerpb.Event)); !errors.As(err, &exchange) || err == io.EOF {
		t.Errorf("got %v", err)
	}
}

func TestStreamGoesOnAfterAMessageThatCannotBeDecoded(t *testing.T) {
	raw := append(recordio.AppendFrame(nil, []byte("}{")), frame(codec.JSON, errorEvent("next"))...)
	client, _ := serve(t, transport.Config{Codec: codec.JSON}, streaming(codec.JSON, raw, nil))
	stream := open(t, client)
	var decode *transport.DecodeError
	if err := stream.Next(new(schedulerpb.Event)); !errors.As(err, &decode) || decode.Size != 2 {
		t.Fatalf("got %v", err)
	}
	e := new(schedulerpb.Event)
	if err := stream.Next(e); err != nil || e.GetError().GetMessage() != "next" {
		t.Errorf("got %v, %v", e, err)
	}
}

// An older client stops at 4 MiB.
func TestFramesOfMoreThan8MiBPass(t *testing.T) {
	big := errorEvent(strings.Repeat("x", 9<<20))
	for _, cd := range []codec.Codec{codec.JSON, codec.Protobuf} {
		client, _ := serve(t, transport.Config{Codec: cd}, streaming(cd, frame(cd, big), nil))
		e := new(schedulerpb.Event)
		if err := open(t, client).Next(e); err != nil || len(e.GetError().GetMessage()) != 9<<20 {
			t.Errorf("%s: %d bytes, %v", cd.MediaType(), len(e.GetError().GetMessage()), err)
		}
	}
}

func TestFrameBeyondTheConfiguredLimitIsRefused(t *testing.T) {
	client, _ := serve(t, transport.Config{Codec: codec.JSON, MaxFrame: 1000}, streaming(codec.JSON, frame(codec.JSON, errorEvent(strings.Repeat("x", 1000))), nil))
	if err := open(t, client).Next(new(schedulerpb.Event)); err == nil || err == io.EOF {
		t.Errorf("got %v", err)
	}
}

func TestCloseWakesTheReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, _ := serve(t, transport.Config{}, streaming(codec.Protobuf, nil, func(r *http.Request) { hang(nil, r) }))
		stream := open(t, client)
		time.AfterFunc(time.Minute, func() { _ = stream.Close() })
		if err := stream.Next(new(schedulerpb.Event)); !errors.Is(err, transport.ErrClosed) {
			t.Errorf("got %v", err)
		}
		if err := stream.Close(); err != nil {
			t.Errorf("second Close: %v", err)
		}
	})
}

func TestStreamEndsWithItsContextAndNotWithTheHeaderTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, _ := serve(t, transport.Config{HeaderTimeout: time.Second}, streaming(codec.Protobuf, nil, func(r *http.Request) { hang(nil, r) }))
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		stream, err := client.Stream(ctx, api, revive())
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		if err := stream.Next(new(schedulerpb.Event)); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Hour {
			t.Errorf("got %v after %v", err, time.Since(start))
		}
	})
}

func TestLastReceivedFollowsThePartsOfAFrame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		raw := frame(codec.JSON, errorEvent("slow"))
		client, _ := serve(t, transport.Config{Codec: codec.JSON}, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", codec.MediaTypeJSON)
			for i := range raw {
				time.Sleep(time.Second)
				_, _ = w.Write(raw[i : i+1])
				_ = http.NewResponseController(w).Flush()
			}
		})
		stream := open(t, client)
		go func() {
			time.Sleep(10*time.Second + time.Millisecond)
			if age := time.Since(stream.LastReceived()); age >= time.Second {
				t.Errorf("last byte %v ago, want under 1s", age)
			}
		}()
		if err := stream.Next(new(schedulerpb.Event)); err != nil {
			t.Error(err)
		}
	})
}

// A clock that is set must not make a master look dead, or alive. (Times in bubbles have no monotonic reading.)
func TestLastReceivedDoesNotDependOnTheWallClock(t *testing.T) {
	client, _ := serve(t, transport.Config{Codec: codec.JSON}, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", codec.MediaTypeJSON)
		_, _ = w.Write(frame(codec.JSON, errorEvent("a")))
	})
	stream := open(t, client)
	defer stream.Close()
	if err := stream.Next(new(schedulerpb.Event)); err != nil {
		t.Fatal(err)
	}
	if last := stream.LastReceived(); !strings.Contains(last.String(), " m=") || time.Since(last) > time.Hour {
		t.Errorf("last byte at %s, want a recent time with a monotonic reading", last)
	}
}

func TestRecordIOAnswersCarryTheirMessagesMediaType(t *testing.T) {
	client, _ := serve(t, transport.Config{Codec: codec.Protobuf}, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Accept") != codec.MediaTypeRecordIO || r.Header.Get("Message-Accept") != codec.MediaTypeProtobuf {
			t.Errorf("header %v", r.Header)
		}
		w.Header().Set("Content-Type", codec.MediaTypeRecordIO)
		w.Header().Set("Message-Content-Type", codec.MediaTypeJSON)
		_, _ = w.Write(frame(codec.JSON, errorEvent("a")))
	})
	stream, err := client.Stream(t.Context(), api, revive(), client.RecordIO())
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	raw, err := stream.NextFrame()
	if err != nil || !strings.Contains(string(raw), `"a"`) || stream.MediaType() != codec.MediaTypeJSON {
		t.Errorf("got %q, %v as %s", raw, err, stream.MediaType())
	}
}

func attachInput(n int) *agentpb.Call {
	return &agentpb.Call{Type: agentpb.Call_ATTACH_CONTAINER_INPUT.Enum(), AttachContainerInput: &agentpb.Call_AttachContainerInput{
		Type: agentpb.Call_AttachContainerInput_PROCESS_IO.Enum(),
		ProcessIo: &agentpb.ProcessIO{Type: agentpb.ProcessIO_DATA.Enum(),
			Data: &agentpb.ProcessIO_Data{Data: []byte{byte(n)}}},
	}}
}

func TestUploadSendsFramesAsTheyComeAndReturnsTheAnswer(t *testing.T) {
	received := make(chan int)
	client, _ := serve(t, transport.Config{}, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Content-Type") != codec.MediaTypeRecordIO || r.Header.Get("Message-Content-Type") != codec.MediaTypeProtobuf {
			t.Errorf("header %v", r.Header)
		}
		frames := recordio.NewReader(r.Body, recordio.Config{})
		for {
			data, err := frames.Next()
			if err != nil {
				break
			}
			call := new(agentpb.Call)
			_ = codec.Protobuf.Unmarshal(data, call)
			received <- int(call.GetAttachContainerInput().GetProcessIo().GetData().GetData()[0])
		}
		w.WriteHeader(http.StatusConflict)
	})
	upload, err := client.Upload(t.Context(), api)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		if err := upload.Send(attachInput(i)); err != nil {
			t.Fatal(err)
		}
		if got := <-received; got != i {
			t.Errorf("message %d arrived, want %d", got, i)
		}
	}
	if err := upload.Close(); !errors.Is(err, transport.ErrConflict) {
		t.Errorf("got %v", err)
	}
}

func TestUploadRefusedBeforeItsEndStopsTheSender(t *testing.T) {
	client, _ := serve(t, transport.Config{}, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) })
	upload, err := client.Upload(t.Context(), api)
	if err != nil {
		t.Fatal(err)
	}
	for err == nil {
		err = upload.Send(attachInput(1))
	}
	if err := upload.Close(); !errors.Is(err, transport.ErrNotFound) {
		t.Errorf("got %v", err)
	}
}
