package scanners

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/qrie-sec/qrie"
)

// maxCalls is how many calls of one describe run at one time. A bucket takes
// ten; more at once would empty the account's budget for one resource.
const maxCalls = 5

// document gathers the answers about one resource. It is safe for concurrent
// use.
type document struct {
	mu      sync.Mutex
	members map[string]any
	missing []qrie.Missing
}

func newDocument() *document { return &document{members: map[string]any{}} }

// call is one member of a document and the API call or calls it takes.
type call struct {
	member string
	// absent are the error codes that say "there is no such configuration":
	// the member is then left out and nothing is missing.
	absent []string
	// read returns AWS's answer as the SDK's value. A nil pointer or slice is
	// an absent member.
	read func(ctx context.Context) (any, error)
}

// read makes the calls, some of them at once, and puts their answers. A call
// that is denied, or that AWS will never serve, becomes an entry of "missing".
// Any other failure is returned and ends the calls that are still under way:
// a resource half read is read again.
func (d *document) read(ctx context.Context, calls ...call) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(maxCalls)
	for _, c := range calls {
		g.Go(func() error {
			answer, err := c.read(ctx)
			if err == nil {
				d.put(c.member, answer)
				return nil
			}
			if slices.Contains(c.absent, codeOf(err)) {
				return nil
			}
			switch kindOf(err) {
			case qrie.Denied, qrie.Invalid:
				d.miss(c.member, err)
				return nil
			}
			return err
		})
	}
	return g.Wait()
}

// put sets a member to an answer; an absent answer leaves it out.
func (d *document) put(member string, answer any) {
	value, present := tree(answer)
	if !present {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.members[member] = value
}

func (d *document) miss(member string, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.missing = append(d.missing, qrie.Missing{Member: member, Code: codeOf(err), Action: actionOf(err)})
}

// encode returns the document as JSON. Equal answers give equal bytes,
// whatever the order in which they came.
func (d *document) encode() (json.RawMessage, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.missing) > 0 {
		slices.SortFunc(d.missing, func(a, b qrie.Missing) int { return cmp.Compare(a.Member, b.Member) })
		d.members["missing"] = d.missing
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(d.members); err != nil {
		return nil, fmt.Errorf("encode the document: %w", err)
	}
	return bytes.TrimSpace(b.Bytes()), nil
}

// policyDocument returns the JSON object that a policy's text holds, or the
// text itself if it holds none.
func policyDocument(text string) any {
	if strings.HasPrefix(strings.TrimSpace(text), "{") && json.Valid([]byte(text)) {
		return json.RawMessage(text)
	}
	return text
}

// iamPolicyDocument is policyDocument for IAM, which encodes the text as RFC
// 3986 says: a plus sign stays one.
func iamPolicyDocument(encoded string) any {
	text, err := url.PathUnescape(encoded)
	if err != nil {
		return encoded
	}
	return policyDocument(text)
}
