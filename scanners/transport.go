package scanners

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
)

const (
	defaultConcurrency = 64
	// callTimeout bounds one attempt, from sending to the last byte read.
	callTimeout = 10 * time.Second
	// maxAnswer bounds one answer. The largest that AWS gives here is a page
	// of 100 security groups with 1,000 rules each, about 30 MB of XML.
	maxAnswer = 48 << 20
)

// tooLargeError is an answer over the bound. The same request would give it
// again.
type tooLargeError struct {
	host string
	max  int64 // bytes
}

func (e *tooLargeError) Error() string {
	return fmt.Sprintf("read the answer of %s: it is larger than %d bytes", e.host, e.max)
}

// RetryableError tells the SDK not to send the request again.
func (e *tooLargeError) RetryableError() bool { return false }

// transport bounds every request in number, time and size. It reads the whole
// answer before it returns, so that the bounds hold for the body as well.
type transport struct {
	next    aws.HTTPClient
	slots   chan struct{}
	timeout time.Duration
	max     int64 // bytes
}

func newTransport(next aws.HTTPClient, concurrency int) *transport {
	if concurrency <= 0 {
		concurrency = defaultConcurrency
	}
	return &transport{next: next, slots: make(chan struct{}, concurrency), timeout: callTimeout, max: maxAnswer}
}

func (t *transport) Do(req *http.Request) (*http.Response, error) {
	select {
	case t.slots <- struct{}{}:
		defer func() { <-t.slots }()
	case <-req.Context().Done():
		return nil, req.Context().Err()
	}
	ctx, cancel := context.WithTimeout(req.Context(), t.timeout)
	defer cancel()
	resp, err := t.next.Do(req.WithContext(ctx))
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, t.max+1))
	if err != nil {
		return nil, fmt.Errorf("read the answer of %s: %w", req.URL.Host, err)
	}
	if int64(len(body)) > t.max {
		return nil, &tooLargeError{req.URL.Host, t.max}
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	return resp, nil
}
