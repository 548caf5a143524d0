package dynamo

import (
	"errors"
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"
)

// A server that takes requests and never answers must not hold a caller.
func TestServerThatHangs(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	taken := make(chan net.Conn, 100)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			taken <- c
		}
	}()
	_, err = Open(t.Context(), Options{Endpoint: "http://" + listener.Addr().String(), Timeout: 50 * time.Millisecond, Attempts: 3, MaxBackoff: time.Millisecond,
		Config: aws.Config{Region: "us-east-1", Credentials: credentials.NewStaticCredentialsProvider("test", "test", "")}})
	if attempts := (*retry.MaxAttemptsError)(nil); err == nil || !errors.As(err, &attempts) {
		t.Errorf("a server that hangs: %v", err)
	}
	if err := listener.Close(); err != nil {
		t.Error(err)
	}
	<-done
	close(taken)
	n := 0
	for c := range taken {
		n++
		_ = c.Close() // nobody listens any more
	}
	if n != 3 {
		t.Errorf("it was asked %d times", n)
	}
}

func TestKindsOfError(t *testing.T) {
	api := func(code string, fault smithy.ErrorFault) error {
		return fmt.Errorf("write: %w", &smithy.GenericAPIError{Code: code, Fault: fault})
	}
	for want, errs := range map[string][]error{
		"contention":  {fmt.Errorf("write: %w", &types.TransactionCanceledException{})},
		"throttled":   {errThrottled, api("ThrottlingException", smithy.FaultClient), api("ProvisionedThroughputExceededException", smithy.FaultClient)},
		"denied":      {api("AccessDeniedException", smithy.FaultClient), api("ExpiredTokenException", smithy.FaultClient)},
		"no_table":    {api("ResourceNotFoundException", smithy.FaultClient)},
		"server":      {api("InternalServerError", smithy.FaultServer)},
		"refused":     {api("ValidationException", smithy.FaultClient)},
		"unreachable": {fmt.Errorf("read: %w", unavailable{io.ErrUnexpectedEOF})},
		"":            {errors.New("no route to host")}, // left to the port to name
	} {
		for _, err := range errs {
			if got := kindOfError(err); got != want {
				t.Errorf("%v is %q, want %q", err, got, want)
			}
		}
	}
}
