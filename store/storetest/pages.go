package storetest

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/store"
)

// people fills a store with findings of several sorts, some resolved.
func (w *world) people() {
	w.Helper()
	w.launched(public, version, world22)
	for i := range 90 {
		account := []string{accountA, accountB, accountC}[i%3]
		if i%5 == 0 {
			w.tick(time.Second) // several share a moment: the id decides
		}
		ref := bucket(account, fmt.Sprintf("Bucket-%02d", i))
		if i%4 == 0 {
			ref = group(account, []string{"eu-west-1", "us-east-1"}[i/4%2], fmt.Sprintf("sg-%02d", i))
			w.apply(look{ref: ref, doc: "v1", fails: map[string]qrie.Severity{world22: qrie.Severity(i % 101)}})
		} else {
			w.apply(look{ref: ref, doc: "v1", summary: fmt.Sprint("Grant ", i%7), fails: map[string]qrie.Severity{public: 90, version: qrie.Severity(i % 3 * 30)}})
		}
		if i%6 == 0 {
			w.tick(time.Second)
			w.apply(look{ref: ref, doc: "v2", passes: []string{public, version, world22}})
		}
	}
}

var yes, no = true, false

func (w *world) findingQueries() map[string]store.FindingQuery {
	active := []qrie.State{qrie.Active}
	return map[string]store.FindingQuery{
		"everything":               {},
		"active":                   {States: active},
		"resolved":                 {States: []qrie.State{qrie.Resolved}},
		"both states":              {States: []qrie.State{qrie.Resolved, qrie.Active}},
		"no such state":            {States: []qrie.State{"OPEN"}},
		"policy":                   {States: active, Policies: []string{public}},
		"policies":                 {Policies: []string{world22, public}},
		"no such policy":           {Policies: []string{"Nothing"}},
		"account":                  {States: active, Accounts: []string{accountB}},
		"accounts":                 {Accounts: []string{accountC, accountA}},
		"no such account":          {Accounts: []string{"000000000000"}},
		"service":                  {Services: []string{"ec2"}},
		"account and service":      {States: active, Accounts: []string{accountA}, Services: []string{"s3"}},
		"accounts and services":    {Accounts: []string{accountA, accountB}, Services: []string{"ec2", "s3"}},
		"account and policy":       {Accounts: []string{accountB}, Policies: []string{version}},
		"type":                     {Types: []string{"AWS::EC2::SecurityGroup"}},
		"account and type":         {Accounts: []string{accountB}, Types: []string{"AWS::EC2::SecurityGroup"}},
		"contradiction":            {Types: []string{"AWS::EC2::SecurityGroup"}, Services: []string{"s3"}},
		"Region":                   {Regions: []string{"us-east-1"}},
		"Regions and policy":       {Regions: []string{"us-east-1", "eu-west-1"}, Policies: []string{world22}},
		"no such Region":           {Regions: []string{"eu-nowhere-1"}},
		"band":                     {Bands: []qrie.Band{qrie.Critical}},
		"bands side by side":       {States: active, Bands: []qrie.Band{qrie.Low, qrie.Medium}},
		"bands apart":              {Bands: []qrie.Band{qrie.Informational, qrie.High, qrie.Critical}},
		"no such band":             {Bands: []qrie.Band{"grave"}},
		"resource":                 {Resource: bucket(accountB, "Bucket-01").ResourceID()},
		"resource, active":         {Resource: bucket(accountA, "Bucket-06").ResourceID(), States: active},
		"resource of another":      {Resource: bucket(accountB, "Bucket-01").ResourceID(), Accounts: []string{accountA}},
		"text in the name":         {Text: "bucket-1"},
		"text in the summary":      {Text: "gRANT 3"},
		"text in the ARN":          {Text: "security-GROUP/sg-0"},
		"text of nothing":          {Text: "' OR 1=1 --"},
		"text and band and policy": {Text: "bucket", Bands: []qrie.Band{qrie.Medium}, Policies: []string{version}, States: active},
		"opened from":              {OpenedFrom: w.now.Add(-10 * time.Second)},
		"everything at once": {States: active, Policies: []string{public, version}, Accounts: []string{accountA, accountB}, Services: []string{"s3"},
			Types: []string{"AWS::S3::Bucket"}, Regions: []string{"eu-west-1"}, Bands: []qrie.Band{qrie.Critical, qrie.Medium}, Text: "bucket", OpenedFrom: w.now.Add(-30 * time.Second)},
	}
}

// meets is the filter again, the plain way.
func meets(q store.FindingQuery, f qrie.Finding) bool {
	in := func(values []string, v string) bool { return len(values) == 0 || slices.Contains(values, v) }
	text := func(s string) bool { return strings.Contains(strings.ToLower(s), strings.ToLower(q.Text)) }
	return (len(q.States) == 0 || slices.Contains(q.States, f.State)) && in(q.Policies, f.Policy) && in(q.Accounts, f.Ref.Account) &&
		in(q.Services, f.Ref.Service()) && in(q.Types, f.Ref.Type) && in(q.Regions, f.Ref.Region) &&
		(len(q.Bands) == 0 || slices.Contains(q.Bands, f.Severity.Band())) && (q.Resource == "" || q.Resource == f.Ref.ResourceID()) &&
		(text(f.Ref.ARN) || text(f.Name) || text(f.Summary)) && !f.OpenedAt.Before(q.OpenedFrom)
}

func byPromise(a, b qrie.Finding) int {
	return cmp.Or(cmp.Compare(b.Severity, a.Severity), b.ChangedAt.Compare(a.ChangedAt), cmp.Compare(a.ID, b.ID))
}

func (w *world) resourceQueries() map[string]store.ResourceQuery {
	return map[string]store.ResourceQuery{
		"everything":          {},
		"with tombstones":     {Deleted: true},
		"account":             {Accounts: []string{accountB}},
		"accounts":            {Accounts: []string{accountC, "000000000000", accountA}},
		"service":             {Services: []string{"ec2"}},
		"services":            {Services: []string{"s3", "ec2", "rds"}},
		"type and account":    {Types: []string{"AWS::S3::Bucket"}, Accounts: []string{accountA}},
		"no such type":        {Types: []string{"AWS::Nothing"}},
		"Region":              {Regions: []string{"us-east-1"}},
		"text in the id":      {Text: "BUCKET-1"},
		"text in the name":    {Text: "name of sg"},
		"text in the ARN":     {Text: ":security-group/"},
		"failing":             {Failing: &yes},
		"not failing":         {Failing: &no},
		"failing of accounts": {Failing: &yes, Accounts: []string{accountA, accountB}, Services: []string{"s3"}},
		"listed before":       {ListedBefore: w.now.Add(-10 * time.Second), Types: []string{"AWS::S3::Bucket"}},
	}
}

func meetsResource(q store.ResourceQuery, r store.Resource) bool {
	in := func(values []string, v string) bool { return len(values) == 0 || slices.Contains(values, v) }
	text := func(s string) bool { return strings.Contains(strings.ToLower(s), strings.ToLower(q.Text)) }
	open, _ := r.OpenFindings()
	return in(q.Accounts, r.Ref.Account) && in(q.Services, r.Ref.Service()) && in(q.Types, r.Ref.Type) && in(q.Regions, r.Ref.Region) &&
		(text(r.Name) || text(r.Ref.ID) || text(r.Ref.ARN)) && (q.Failing == nil || *q.Failing == (open > 0)) && (q.Deleted || !r.Deleted) &&
		(q.ListedBefore.IsZero() || r.ListedAt.Before(q.ListedBefore))
}

func byPlace(a, b store.Resource) int {
	return cmp.Or(cmp.Compare(a.Ref.Type, b.Ref.Type), cmp.Compare(a.Ref.Account, b.Ref.Account), cmp.Compare(a.Ref.Region, b.Ref.Region), cmp.Compare(a.Ref.ID, b.Ref.ID))
}

// paged reads a whole list in pages of a size, at most so many.
func paged[T any](w *world, size int, list func(store.PageRequest) (store.Page[T], error)) (out []T) {
	w.Helper()
	p := store.PageRequest{Size: size}
	for range 5000 {
		page, err := list(p)
		w.ok(err)
		if len(page.Items) > size {
			w.Fatalf("a page of %d holds %d", size, len(page.Items))
		}
		out = append(out, page.Items...)
		if p.Token = page.Next; p.Token == "" {
			return out
		}
	}
	w.Fatal("the pages do not end")
	return nil
}

var pageCases = []testCase{
	{"findings: each filter, in order, every row once", func(w *world) {
		w.people()
		everything := w.allFindings(store.FindingQuery{})
		same(w, "findings", len(everything), 23+67*2)
		for name, q := range w.findingQueries() {
			var want []string
			for _, f := range everything {
				if meets(q, f) {
					want = append(want, f.ID)
				}
			}
			for _, size := range []int{2, 17, store.MaxPage} {
				got := paged(w, size, func(p store.PageRequest) (store.Page[qrie.Finding], error) { return w.s.ListFindings(w.ctx, q, p) })
				if !slices.IsSortedFunc(got, byPromise) {
					w.Errorf("%s in pages of %d: not in order", name, size)
				}
				var gotIDs []string
				for _, f := range got {
					gotIDs = append(gotIDs, f.ID)
					if len(f.Evidence.Violations) > 0 {
						w.Fatalf("%s: a list holds evidence", name)
					}
				}
				slices.Sort(gotIDs)
				slices.Sort(want)
				same(w, fmt.Sprintf("%s in pages of %d", name, size), gotIDs, want)
			}
		}
	}},
	{"resources: each filter, in order, every row once", func(w *world) {
		w.people()
		for i := range 12 {
			e := w.judge(look{ref: bucket([]string{accountA, accountB}[i%2], fmt.Sprint("due-", i)), doc: "v1"})
			e.Next.DueAt = w.now.Add(time.Duration(i) * 10 * time.Minute)
			w.ok(w.s.Apply(w.ctx, e))
		}
		w.tick(time.Minute)
		for i := range 8 {
			w.apply(look{ref: bucket(accountA, fmt.Sprint("gone-", i))})
		}
		everything := w.allResources(store.ResourceQuery{Deleted: true})
		same(w, "resources", len(everything), 90+12+8)
		for name, q := range w.resourceQueries() {
			var want []string
			for _, r := range everything {
				if meetsResource(q, r) {
					want = append(want, r.Ref.Key())
				}
			}
			for _, size := range []int{2, 17, store.MaxPage} {
				got := paged(w, size, func(p store.PageRequest) (store.Page[store.Resource], error) { return w.s.ListResources(w.ctx, q, p) })
				if !slices.IsSortedFunc(got, byPlace) {
					w.Errorf("%s in pages of %d: not in order", name, size)
				}
				var keys []string
				for _, r := range got {
					keys = append(keys, r.Ref.Key())
					same(w, "document in a list", len(r.Document), 0)
				}
				slices.Sort(keys)
				slices.Sort(want)
				same(w, fmt.Sprintf("%s in pages of %d", name, size), keys, want)
			}
		}
		page, err := w.s.ListResources(w.ctx, store.ResourceQuery{WithDocument: true, Accounts: []string{accountB}}, store.PageRequest{})
		w.ok(err)
		for _, r := range page.Items {
			whole, err := w.s.Resource(w.ctx, r.Ref.ResourceID())
			w.ok(err)
			same(w, "listed with its document", r, whole)
		}
	}},
	{"rows added while paging do not disturb the others", func(w *world) {
		w.people()
		q := store.FindingQuery{States: []qrie.State{qrie.Active}}
		before := w.allFindings(q)
		n := 0
		got := paged(w, 9, func(p store.PageRequest) (store.Page[qrie.Finding], error) {
			page, err := w.s.ListFindings(w.ctx, q, p)
			w.tick(time.Second)
			w.apply(look{ref: bucket(accountA, fmt.Sprint("late-", n)), doc: "v1", fails: map[string]qrie.Severity{public: qrie.Severity(n * 7 % 101)}})
			n++
			return page, err
		})
		seen := map[string]int{}
		for _, f := range got {
			seen[f.ID]++
		}
		for _, f := range before {
			if seen[f.ID] != 1 {
				w.Errorf("finding %s was given %d times", f.ID, seen[f.ID])
			}
		}
		for id, n := range seen {
			if n != 1 {
				w.Errorf("finding %s was given %d times", id, n)
			}
		}
	}},
	{"a token belongs to its query and list", func(w *world) {
		w.people()
		q := store.FindingQuery{Accounts: []string{accountA, accountB}, Text: "Bucket"}
		page, err := w.s.ListFindings(w.ctx, q, store.PageRequest{Size: 3})
		w.ok(err)
		token := page.Next
		sameQuery := store.FindingQuery{Accounts: []string{accountB, accountA, accountB}, Text: "bucket"}
		_, err = w.s.ListFindings(w.ctx, sameQuery, store.PageRequest{Size: 5, Token: token})
		w.ok(err)
		for name, other := range map[string]store.FindingQuery{
			"none": {}, "fewer accounts": {Accounts: []string{accountA}, Text: "Bucket"}, "other text": {Accounts: q.Accounts, Text: "Bucket-"},
			"values of another member": {Policies: q.Accounts, Text: "Bucket"},
		} {
			if _, err := w.s.ListFindings(w.ctx, other, store.PageRequest{Token: token}); err == nil {
				w.Errorf("%s: the token was taken", name)
			} else {
				w.want(err, qrie.ErrBadToken)
			}
		}
		_, err = w.s.ListResources(w.ctx, store.ResourceQuery{Accounts: q.Accounts, Text: "Bucket"}, store.PageRequest{Token: token})
		w.want(err, qrie.ErrBadToken)
		_, err = w.s.ListTransitions(w.ctx, page.Items[0].ID, "", store.PageRequest{Token: token})
		w.want(err, qrie.ErrBadToken)
		_, err = w.s.ListVersions(w.ctx, page.Items[0].Ref.ResourceID(), store.PageRequest{Token: token})
		w.want(err, qrie.ErrBadToken)
		_, err = w.s.ListDeadLetters(w.ctx, store.PageRequest{Token: token})
		w.want(err, qrie.ErrBadToken)
		other := "A" // than the letter that the token begins with
		if token[0] == 'A' {
			other = "B"
		}
		for _, forged := range []string{"x", "AAAA", token + "A", token[1:], token[:len(token)-2], other + token[1:], strings.Repeat("A", 100000), "ü", token + "="} {
			_, err := w.s.ListFindings(w.ctx, q, store.PageRequest{Token: forged})
			w.want(err, qrie.ErrBadToken)
		}
		w.reopen()
		_, err = w.s.ListFindings(w.ctx, q, store.PageRequest{Token: token})
		w.ok(err)
	}},
	{"a token belongs to the scope of its caller, in every list", func(w *world) {
		w.launched(public)
		ref := bucket(accountA, "data")
		for i := range 3 {
			w.tick(time.Minute)
			w.apply(look{ref: ref, doc: fmt.Sprint("v", i), summary: fmt.Sprint(i), fails: map[string]qrie.Severity{public: 90}})
			w.apply(look{ref: bucket(accountA, fmt.Sprint(i)), doc: "v", fails: map[string]qrie.Severity{public: 90}})
			w.ok(w.s.PutDeadLetter(w.ctx, store.DeadLetter{ID: fmt.Sprint(i), At: w.now}))
			w.except(store.Exception{ID: fmt.Sprint(i), Policy: public})
			w.ok(w.s.AddAudit(w.ctx, store.AuditEntry{ID: fmt.Sprint(i), At: w.now, Who: "mira", Action: "a", Target: "t"}))
		}
		for name, list := range map[string]func(store.PageRequest) (string, error){
			"findings": func(p store.PageRequest) (string, error) {
				page, err := w.s.ListFindings(w.ctx, store.FindingQuery{}, p)
				return page.Next, err
			},
			"findings of a policy": func(p store.PageRequest) (string, error) {
				page, err := w.s.ListFindings(w.ctx, store.FindingQuery{Policies: []string{public}}, p)
				return page.Next, err
			},
			"resources": func(p store.PageRequest) (string, error) {
				page, err := w.s.ListResources(w.ctx, store.ResourceQuery{}, p)
				return page.Next, err
			},
			"versions": func(p store.PageRequest) (string, error) {
				page, err := w.s.ListVersions(w.ctx, ref.ResourceID(), p)
				return page.Next, err
			},
			"transitions": func(p store.PageRequest) (string, error) {
				page, err := w.s.ListTransitions(w.ctx, ref.FindingID(public), "", p)
				return page.Next, err
			},
			"dead letters": func(p store.PageRequest) (string, error) {
				page, err := w.s.ListDeadLetters(w.ctx, p)
				return page.Next, err
			},
			"exceptions": func(p store.PageRequest) (string, error) {
				page, err := w.s.ListExceptions(w.ctx, p)
				return page.Next, err
			},
			"audit": func(p store.PageRequest) (string, error) {
				page, err := w.s.ListAudit(w.ctx, "t", p)
				return page.Next, err
			},
		} {
			token, err := list(store.PageRequest{Size: 1, Scope: "viewer 1111"})
			w.ok(err)
			if token == "" {
				w.Fatalf("%s: there is no second page", name)
			}
			for _, other := range []string{"", "viewer 1112", "viewer"} {
				if _, err := list(store.PageRequest{Size: 1, Token: token, Scope: other}); err == nil {
					w.Errorf("%s: a token of another scope was taken", name)
				} else {
					w.want(err, qrie.ErrBadToken)
				}
			}
			_, err = list(store.PageRequest{Size: 1, Token: token, Scope: "viewer 1111"})
			w.ok(err)
		}
	}},
	{"sizes of a page", func(w *world) {
		w.people()
		for asked, want := range map[int]int{0: store.DefaultPage, 1: 1, 60: 60, -5: store.DefaultPage, 100000: 157} {
			page, err := w.s.ListFindings(w.ctx, store.FindingQuery{}, store.PageRequest{Size: asked})
			w.ok(err)
			same(w, fmt.Sprintf("page of %d", asked), len(page.Items), want)
		}
	}},
	{"what is due by the clock, earliest first", func(w *world) {
		w.launched(public)
		var want []string
		for i := range 9 {
			ref := bucket(accountA, fmt.Sprint("due-", i))
			if i%2 == 0 {
				ref = group(accountB, "eu-west-1", fmt.Sprint("sg-", i))
			}
			e := w.judge(look{ref: ref, doc: "v1"})
			e.Next.DueAt = w.now.Add(time.Duration(9-i) * time.Minute)
			w.ok(w.s.Apply(w.ctx, e))
			want = append([]string{ref.ResourceID()}, want...)
		}
		w.apply(look{ref: bucket(accountA, "never"), doc: "v1"})
		due := func(at time.Time, limit int) (out []string) {
			refs, err := w.s.DueResources(w.ctx, at, limit)
			w.ok(err)
			for _, ref := range refs {
				out = append(out, ref.ResourceID())
			}
			return out
		}
		same(w, "before the first", due(w.now.Add(time.Minute-1), 10), []string(nil))
		same(w, "at the first", due(w.now.Add(time.Minute), 10), want[:1])
		same(w, "the first four", due(w.now.Add(time.Hour), 4), want[:4])
		same(w, "all", due(w.now.Add(time.Hour), 100), want)
		ref := bucket(accountA, "due-7")
		e := w.judge(look{ref: ref, doc: "v1", reread: true})
		e.Next.DueAt = w.now.Add(24 * time.Hour)
		w.ok(w.s.Apply(w.ctx, e))
		w.tick(time.Minute)
		gone := w.judge(look{ref: bucket(accountA, "due-5")})
		gone.Next.DueAt = w.now // a tombstone is never due
		w.ok(w.s.Apply(w.ctx, gone))
		same(w, "after one was judged and one deleted", due(w.now.Add(time.Hour), 100), slices.DeleteFunc(slices.Clone(want), func(id string) bool {
			return id == ref.ResourceID() || id == bucket(accountA, "due-5").ResourceID()
		}))
	}},
}
