package sim

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sort"
	"strconv"
	"sync"
	"time"

	"github.com/qrie-sec/qrie"
)

// document is one document being written.
type document struct {
	writer
	t       *thing
	account *accountState    // as the read sees it
	volumes []attachedVolume // of an instance
	denied  map[string]bool
	actions []actionOf
	missing []qrie.Missing
}

// actionOf is the IAM action behind a member.
type actionOf struct{ member, action string }

// member begins a member and reports whether it can be read. A denied one is
// noted as missing.
func (d *document) member(name string) bool {
	if len(d.denied) > 0 {
		for _, a := range d.actions {
			if a.member == name && d.denied[a.action] {
				d.missing = append(d.missing, qrie.Missing{Member: name, Code: deniedCode(d.t.kind), Action: a.action})
				return false
			}
		}
	}
	return true
}

func (d *document) finish() []byte {
	if len(d.missing) > 0 {
		d.array("missing")
		for _, m := range d.missing {
			d.object("")
			d.texts("member", m.Member, "code", m.Code, "action", m.Action)
			d.end()
		}
		d.endArray()
	}
	d.end()
	return d.b
}

// The document of an instance is the longest, near 4 kB.
const documentSize = 4 << 10

// snapshot gathers what the document of a thing shows to a read at a time; nil
// if there is no such thing. With lag it is what qrie's role sees, without it
// is the truth. It needs the lock of the world; render, which does the work,
// does not.
func (w *World) snapshot(t *thing, now time.Time, lag bool) (*document, state) {
	see := func(t *thing) state {
		if lag {
			return t.seen(now)
		}
		return t.now
	}
	s := see(t)
	if s == nil {
		return nil, nil
	}
	d := &document{t: t, actions: w.actions[t.kind]}
	if lag {
		d.denied = t.account.denied
	}
	switch s := s.(type) {
	case *bucketState:
		d.account, _ = see(t.account.self).(*accountState)
	case *instanceState:
		for _, a := range s.attached {
			if v, ok := see(a.volume).(*volumeState); ok {
				d.volumes = append(d.volumes, attachedVolume{a.volume, v})
			}
		}
	}
	return d, s
}

func render(d *document, s state) []byte {
	buf := pages.Get().(*[]byte)
	defer pages.Put(buf)
	d.b = append((*buf)[:0], '{')
	s.write(d)
	*buf = d.finish()
	return bytes.Clone(*buf)
}

// pages are what documents and records are written on before their length is known.
var pages = sync.Pool{New: func() any { return new(make([]byte, 0, documentSize)) }}

// Truth returns the document of a resource as it is, without lag or faults;
// false if there is none.
func (w *World) Truth(ref qrie.Ref) (qrie.Observation, bool) {
	now := w.clock().UTC()
	w.mu.RLock()
	t := w.find(ref)
	if t == nil || t.now == nil {
		w.mu.RUnlock()
		return qrie.Observation{}, false
	}
	d, s := w.snapshot(t, now, false)
	w.mu.RUnlock()
	return qrie.Observation{Ref: w.ref(t), ObservedAt: now, Document: render(d, s)}, true
}

func (w *World) find(ref qrie.Ref) *thing {
	k, ok := kindOf(ref.Type)
	if !ok {
		return nil
	}
	a := w.account(ref.Account)
	if a == nil {
		return nil
	}
	return w.lookup(a, k, ref.Region, ref.ID)
}

// Describe reads one resource as qrie's role would: late, throttled and
// denied as the faults say. A resource that does not exist, and an account id
// that is not its own account, are Deleted; every error is a *qrie.Fault.
func (w *World) Describe(ctx context.Context, ref qrie.Ref) (qrie.Observation, error) {
	now := w.clock().UTC()
	k, ok := kindOf(ref.Type)
	if !ok || ref.ID == "" {
		return qrie.Observation{}, invalid(ref.Account, ref.Region, ref.Type, ref.ID)
	}
	w.mu.RLock()
	a := w.account(ref.Account)
	if f := w.fault(ctx, a, k, ref.Account, ref.Region, describeAction[k]); f != nil {
		w.mu.RUnlock()
		return qrie.Observation{}, f
	}
	if a.denied[describeAction[k]] {
		w.mu.RUnlock()
		return qrie.Observation{}, denied(k, ref.Account, ref.Region, describeAction[k])
	}
	t := w.lookup(a, k, ref.Region, ref.ID)
	var d *document
	var s state
	if t != nil {
		d, s = w.snapshot(t, now, true)
	}
	w.mu.RUnlock()
	if s == nil {
		gone := w.types[k].Ref(ref.Account, ref.Region, ref.ID)
		if ref.ARN != "" {
			gone.ARN = ref.ARN
		}
		return qrie.Observation{Ref: gone, ObservedAt: now, Deleted: true}, nil
	}
	return qrie.Observation{Ref: w.ref(t), ObservedAt: now, Document: render(d, s)}, nil
}

// List returns one page of the resources of a type in an account and Region
// and the token of the next page, empty after the last. A resource that is
// there during the whole listing is returned exactly once. Resources of the
// global types are listed in us-east-1 and nowhere else.
func (w *World) List(ctx context.Context, accountID, region, resourceType, token string) ([]qrie.Ref, string, error) {
	k, ok := kindOf(resourceType)
	if !ok {
		return nil, "", invalid(accountID, region, resourceType, "")
	}
	var after uint64
	if token != "" {
		var err error
		if after, err = strconv.ParseUint(token, 36, 64); err != nil {
			return nil, "", &qrie.Fault{
				Kind: qrie.Invalid, Account: accountID, Region: region, Action: listAction[k], Code: "InvalidNextToken",
				Err: fmt.Errorf("page token %q: %w", token, qrie.ErrBadToken),
			}
		}
	}
	w.mu.RLock()
	defer w.mu.RUnlock()
	a := w.account(accountID)
	if f := w.fault(ctx, a, k, accountID, region, listAction[k]); f != nil {
		return nil, "", f
	}
	if a.denied[listAction[k]] {
		return nil, "", denied(k, accountID, region, listAction[k])
	}
	list := w.byPlace[place{k, a.n, region}]
	from := sort.Search(len(list), func(i int) bool { return list[i].seq > after })
	to := min(from+w.pageSize, len(list))
	refs := make([]qrie.Ref, 0, to-from)
	for _, t := range list[from:to] {
		refs = append(refs, w.ref(t))
	}
	if to == len(list) {
		return refs, "", nil
	}
	return refs, strconv.FormatUint(list[to-1].seq, 36), nil
}

// fault is what keeps a call from being answered at all; nil if nothing does.
func (w *World) fault(ctx context.Context, a *account, k kind, id, region, action string) error {
	f := &qrie.Fault{Account: id, Region: region, Action: action}
	if err := ctx.Err(); err != nil {
		f.Kind, f.Code, f.Err = qrie.Transient, "RequestCanceled", err
		return f
	}
	if a == nil || a.unreached {
		f.Kind, f.Action, f.Code = qrie.Unreached, "sts:AssumeRole", "AccessDenied"
		f.Err = errors.New("the role of qrie cannot be assumed")
		return f
	}
	if w.faults.Throttle <= 0 && w.faults.Transient <= 0 {
		return nil
	}
	switch dice := w.dice(); {
	case dice < w.faults.Throttle:
		f.Kind, f.Code, f.Err = qrie.Throttled, throttledCode(k), errors.New("rate exceeded")
	case dice < w.faults.Throttle+w.faults.Transient:
		f.Kind, f.Code, f.Err = qrie.Transient, "ServiceUnavailable", errors.New("please try again")
	default:
		return nil
	}
	return f
}

// dice draws from 0 to 1 for the next call. The n-th call of a world draws
// the same whoever makes it.
func (w *World) dice() float64 {
	return float64(mix(w.seed^mix(w.calls.Add(1)))>>11) / (1 << 53)
}

func invalid(accountID, region, resourceType, id string) error {
	return &qrie.Fault{
		Kind: qrie.Invalid, Account: accountID, Region: region, Code: "InvalidRequest",
		Err: fmt.Errorf("the simulated organisation has no resource %q of type %q: list the type to learn the ids", id, resourceType),
	}
}

func denied(k kind, accountID, region, action string) error {
	return &qrie.Fault{
		Kind: qrie.Denied, Account: accountID, Region: region, Action: action, Code: deniedCode(k),
		Err: fmt.Errorf("no identity-based policy of QrieReadOnly allows %s", action),
	}
}

// The action that decides whether a resource exists: without it nothing can
// be said of the resource. The account itself always exists.
var describeAction = [kinds]string{
	"", "s3:GetBucketLocation", "iam:GetUser", "iam:GetPolicy",
	"ec2:DescribeInstances", "ec2:DescribeVolumes", "ec2:DescribeSecurityGroups", "rds:DescribeDBInstances",
}

var listAction = [kinds]string{
	"", "s3:ListAllMyBuckets", "iam:ListUsers", "iam:ListPolicies",
	"ec2:DescribeInstances", "ec2:DescribeVolumes", "ec2:DescribeSecurityGroups", "rds:DescribeDBInstances",
}

// EC2 speaks its own dialect of error codes.
func deniedCode(k kind) string {
	switch k {
	case kindInstance, kindVolume, kindGroup:
		return "UnauthorizedOperation"
	}
	return "AccessDenied"
}

func throttledCode(k kind) string {
	switch k {
	case kindBucket:
		return "SlowDown"
	case kindInstance, kindVolume, kindGroup:
		return "RequestLimitExceeded"
	}
	return "Throttling"
}

func kindOf(resourceType string) (kind, bool) {
	for k, name := range kindNames {
		if name == resourceType {
			return kind(k), true
		}
	}
	return 0, false
}

// account returns the account of an id; nil if it is none of ours.
func (w *World) account(id string) *account { return w.accountByID[id] }
