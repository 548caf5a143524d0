package policies

import (
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/ext"
	"go.yaml.in/yaml/v3"
	"pgregory.net/rapid"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/resources"
)

// clocked is a policy made up of its expressions, on the dates of an IAM user.
type clocked struct {
	name       string
	lets       []string // name = expression
	when       string
	violations []string // conditions, each of a violation
	summary    string
}

// policy writes the file of a made-up policy and loads it.
func (c clocked) policy(tb testing.TB) *Policy {
	tb.Helper()
	var b strings.Builder
	b.WriteString(`id: IAMUserClocked
title: IAM user at a time
severity: 20
category: monitoring
resource: AWS::IAM::User
description: A date of the user is past, or near.
risk: None.
params:
  a: {type: int, default: 1, min: -100, max: 200000, help: Days.}
  b: {type: int, default: 1, min: -100, max: 200000, help: Days.}
`)
	if c.when != "" {
		fmt.Fprintf(&b, "when: %q\n", c.when)
	}
	if c.lets != nil {
		b.WriteString("let:\n")
	}
	for _, let := range c.lets {
		name, expr, _ := strings.Cut(let, " = ")
		fmt.Fprintf(&b, "  - {name: %s, expr: %q}\n", name, expr)
	}
	b.WriteString("violations:\n")
	for i, condition := range c.violations {
		fmt.Fprintf(&b, "  - %q\n", fmt.Sprintf("%s ? [{'condition': '%d', 'at': '/User'}] : []", condition, i))
	}
	if c.summary == "" {
		c.summary = "'it is so'"
	}
	fmt.Fprintf(&b, "summary: %q\n", c.summary+" + string(params.a + params.b).substring(0, 0)") // both are read
	b.WriteString(`remediation: {text: Wait., console: [Wait.], cli: sleep 1}
tests:
  - {name: passes, want: pass, resource: {}}
  - {name: fails, want: fail, document: {}}
  - {name: unknown, want: unknown, resource: {}, missing: [User]}
`)
	if c.when != "" {
		b.WriteString("  - {name: skips, want: skip, resource: {}}\n")
	}
	p, err := LoadFile("iam/IAMUserClocked.yaml", []byte(b.String()))
	if err != nil {
		tb.Fatalf("load:\n%v\n%s", err, b.String())
	}
	return p
}

// dated are policies whose dates tell when a verdict changes.
var dated = []clocked{
	{name: "before", violations: []string{"resource.createdAt < now - days(params.a)"}},
	{name: "until", violations: []string{"resource.createdAt <= now - days(params.a)"}},
	{name: "after", violations: []string{"resource.createdAt > now - days(params.a)"}},
	{name: "since", violations: []string{"resource.createdAt >= now - days(params.a)"}},
	{name: "now first, after", violations: []string{"now - days(params.a) > resource.createdAt"}},
	{name: "now first, since", violations: []string{"now - days(params.a) >= resource.createdAt"}},
	{name: "now first, before", violations: []string{"days(params.a) + now < resource.createdAt"}},
	{name: "now first, until", violations: []string{"now + days(params.a) <= resource.createdAt"}},
	{name: "at one moment", violations: []string{"now - days(params.a) == resource.createdAt"}},
	{name: "at all but one moment", violations: []string{"resource.createdAt != now + days(params.a)"}},
	{name: "the date is moved", violations: []string{"resource.createdAt + days(params.a) < now"}},
	{name: "the date is moved back", violations: []string{"resource.createdAt - days(params.a) <= now"}},
	{name: "both are moved", violations: []string{"days(params.a) + resource.createdAt <= now - days(params.b) - duration('36h')"}},
	{name: "an age", violations: []string{"now - resource.createdAt > days(params.a)"}},
	{name: "an age, last and moved", violations: []string{"days(params.a) <= now - resource.createdAt - days(params.b)"}},
	{name: "an age taken away", violations: []string{"days(params.a) - (now - resource.createdAt) < duration('36h')"}},
	{name: "an age of a moved date", violations: []string{"now - (resource.createdAt - days(params.a)) == days(params.b)"}},
	{name: "time that is left", violations: []string{"resource.passwordLastUsed - now < days(params.a)"}},
	{name: "time that is left, turned", violations: []string{"days(params.a) >= resource.passwordLastUsed - now"}},
	{name: "now cancels", violations: []string{"now - (now - resource.createdAt) < now - days(params.a)"}},
	{name: "a window", violations: []string{"now > resource.createdAt + days(params.a) && now < resource.createdAt + days(params.a + params.b)"}},
	{name: "two violations", violations: []string{"resource.createdAt < now - days(params.a)", "resource.passwordLastUsed > now - days(params.b)"}},
	{name: "nested lets", lets: []string{"limit = days(params.a)", "cutoff = now - limit", "older = cutoff - days(params.b)"},
		violations: []string{"resource.accessKeys.exists(k, k.createdAt < older)", "resource.createdAt > cutoff"}},
	{name: "lets of what turns", lets: []string{
		"old = resource.accessKeys.filter(k, k.createdAt < now - days(params.a))", "some = size(old) > 0"},
		violations: []string{"some && old.exists(k, k.lastUsed < now - days(params.b))"}},
	{name: "a list of dates", violations: []string{"resource.accessKeys.exists(k, [k.createdAt, k.lastUsed].exists(d, d < now - days(params.a)))"}},
	{name: "a list made of dates", lets: []string{"dates = resource.accessKeys.map(k, k.createdAt + days(params.b)) + [resource.createdAt]"},
		violations: []string{"dates.exists(d, now > d + days(params.a))"}},
	{name: "a list of cutoffs", lets: []string{"cutoffs = [now - days(params.a), now + days(params.b)]"},
		violations: []string{"cutoffs.exists_one(c, resource.createdAt < c)"}},
	{name: "lists that are equal", violations: []string{"[now, now - days(params.a)] == [resource.createdAt, resource.createdAt - days(params.a)]"}},
	{name: "a choice of dates", violations: []string{
		"resource.accessKeys.exists(k, (has(k.lastUsed) ? k.lastUsed + days(params.b) : k.createdAt) < now - days(params.a))"}},
	{name: "a choice of spans", violations: []string{"resource.accessKeys.exists(k, k.createdAt < now - (k.active ? days(params.a) : days(params.b)))"}},
	{name: "a choice that turns", violations: []string{
		"(resource.createdAt < now ? resource.passwordLastUsed : resource.createdAt) < now - days(params.a)"}},
	{name: "stated dates", violations: []string{"now >= timestamp('2026-01-20T00:00:00Z') + days(params.a) && [timestamp('2026-02-20T00:00:00Z')].all(d, d > now)"}},
	{name: "beyond the epoch", violations: []string{"resource.passwordLastUsed < now - days(20500)"}},
	{name: "spans of lists and loops", violations: []string{
		"resource.createdAt < now - days([params.a, params.b].filter(x, x > 9).exists(x, x > 15) ? params.a : params.b)"}},
	{name: "a span of a let", lets: []string{"sum = params.a + params.b"}, violations: []string{"resource.createdAt < now - days(sum)"}},
	{name: "a loop hides now", violations: []string{"[resource.createdAt].exists(now, now < resource.passwordLastUsed)", "resource.createdAt < now - days(params.a)"}},
	{name: "when", when: "resource.createdAt < now - days(params.a)", violations: []string{"resource.passwordLastUsed < now"}},
	{name: "a summary that counts", violations: []string{"true"},
		summary: "'%d keys'.format([size(resource.accessKeys.filter(k, k.createdAt < now - days(params.a)))])"},
	{name: "dates that are shown", violations: []string{"resource.createdAt < now - days(params.a)"}, summary: "'since %s'.format([resource.createdAt + days(params.b)])"},
}

// daily are policies that use now in a way of which no date tells.
var daily = []clocked{
	{name: "the year", violations: []string{"now.getFullYear() > 2026"}},
	{name: "as a text", violations: []string{"string(now).startsWith('2027')"}},
	{name: "of any type", violations: []string{"dyn(now) > resource.createdAt"}},
	{name: "its type", violations: []string{"type(now) == type(resource.createdAt)"}},
	{name: "in a list", violations: []string{"now in [resource.createdAt]"}},
	{name: "in a map", violations: []string{"{'now': now}.now > resource.createdAt"}},
	{name: "from a list", violations: []string{"[now][0] > resource.createdAt"}},
	{name: "a computed date", violations: []string{"timestamp(resource.name) < now"}},
	{name: "a date of any type", violations: []string{"now > dyn(resource.createdAt)"}},
	{name: "a date from a map", violations: []string{"now > {'a': resource.createdAt}.a"}},
	{name: "a date from a list", violations: []string{"[resource.createdAt][0] < now"}},
	{name: "a date or a computed one", violations: []string{"(resource.name == '' ? resource.createdAt : timestamp(resource.name)) < now"}},
	{name: "a date or now", violations: []string{"(resource.name == '' ? resource.createdAt : now) < resource.passwordLastUsed"}},
	{name: "a made-up struct", violations: []string{"now > resources.AccessKey{createdAt: timestamp(resource.name)}.createdAt"}},
	{name: "a computed span", violations: []string{"resource.createdAt < now - days(size(resource.accessKeys))"}},
	{name: "a computed span of a loop", violations: []string{"[1, 2].exists(n, resource.createdAt < now - days(n))"}},
	{name: "a computed limit", violations: []string{"now - resource.createdAt > duration(resource.name)"}},
	{name: "two dates", violations: []string{"now - resource.createdAt < resource.passwordLastUsed - now"}},
	{name: "between two dates", violations: []string{"now - resource.createdAt < resource.passwordLastUsed - resource.createdAt"}},
	{name: "an age in hours", violations: []string{"(now - resource.createdAt).getHours() > 24"}},
	{name: "sorted by age", violations: []string{"resource.accessKeys.sortBy(k, now - k.createdAt)[0].active"}},
	{name: "in a let", lets: []string{"year = now.getFullYear()"}, violations: []string{"year > 2026"}},
	{name: "by another name", lets: []string{"today = now"}, violations: []string{"[today].exists(t, t.getFullYear() > 2026)"}},
	{name: "behind a dot", violations: []string{"[resource.createdAt].exists(now, now < .now)"}},
	{name: "when", when: "now.getDayOfWeek() == 1", violations: []string{"true"}},
	{name: "an age that is shown", violations: []string{"resource.createdAt < now - days(params.a)"},
		summary: "'%d days old'.format([(now - resource.createdAt).getHours() / 24])"},
	{name: "too many turns", lets: []string{
		"d1 = resource.name == 'a' ? days(1) : days(2)", "d2 = d1 + d1", "d3 = d2 + d2", "d4 = d3 + d3"},
		violations: []string{"resource.createdAt < now - d4"}},
	{name: "too many turns in all", lets: []string{
		"d1 = resource.name == 'a' ? days(1) : days(2)", "d2 = d1 + d1", "d3 = d2 + d2"},
		violations: []string{"[resource.createdAt, resource.passwordLastUsed].all(d, d == now + d3 || now == d + d3 || d == now - d3)"}},
	{name: "shown", violations: []string{"true ? [{'a': 1}, now] : false"}},
	{name: "a list of any type", violations: []string{"[dyn(timestamp(resource.name)), resource.createdAt].exists(d, d < now)"}},
	{name: "a loop that hides a variable", violations: []string{
		"resource.createdAt < now - days([params.a].exists(resource, resource > 9) ? 1 : size(resource.accessKeys))"}},
	{name: "with nothing", violations: []string{"now == null"}},
}

func TestDaily(t *testing.T) {
	for _, c := range dated {
		t.Run(c.name, func(t *testing.T) {
			if p := c.policy(t); p.Daily || !p.UsesNow {
				t.Errorf("Daily is %v and UsesNow %v, want false and true", p.Daily, p.UsesNow)
			}
		})
	}
	for _, c := range daily {
		t.Run(c.name, func(t *testing.T) {
			p := c.policy(t)
			if !p.Daily || !p.UsesNow {
				t.Errorf("Daily is %v and UsesNow %v, want both", p.Daily, p.UsesNow)
			}
			in := userInput(&resources.IAMUser{CreatedAt: fixtureNow}, fixtureNow)
			if got, want := bind(t, p, qrie.Launch{}).Evaluate(in).DueAt, time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC); !got.Equal(want) {
				t.Errorf("due at %v, want %v", got, want)
			}
		})
	}
	for _, p := range catalogue(t).All() {
		if p.Daily {
			t.Errorf("%s is judged daily; compare now with a date instead", p.ID)
		}
	}
}

func TestNextMidnight(t *testing.T) {
	midnight := time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)
	for _, test := range []struct {
		name      string
		now, want time.Time
	}{
		{"in the day", midnight.Add(time.Hour), midnight.AddDate(0, 0, 1)},
		{"at midnight", midnight, midnight.AddDate(0, 0, 1)},
		{"just before", midnight.Add(-time.Nanosecond), midnight},
		{"elsewhere", midnight.Add(-time.Hour).In(time.FixedZone("", 7200)), midnight},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := nextMidnight(test.now); !got.Equal(test.want) {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
}

func userInput(u *resources.IAMUser, now time.Time) Input {
	return Input{View: resources.View{Value: u}, Ref: qrie.Ref{Account: fixtureAccount, Type: "AWS::IAM::User"}, Account: qrie.Account{ID: fixtureAccount}, Now: now}
}

func params(values map[string]int) qrie.Launch {
	l := qrie.Launch{Params: make(map[string]json.RawMessage)}
	for name, value := range values {
		l.Params[name] = json.RawMessage(fmt.Sprint(value))
	}
	return l
}

func TestDueAt(t *testing.T) {
	const day, instant = 24 * time.Hour, time.Nanosecond
	now, never := fixtureNow, time.Time{}
	ago := func(d time.Duration) time.Time { return now.Add(-d) }
	in := func(d time.Duration) time.Time { return now.Add(d) }
	for _, test := range []struct {
		name      string
		condition string
		created   time.Time
		a         int
		want      time.Time
	}{
		{"before, ahead", "resource.createdAt < now - days(params.a)", ago(day), 3, in(2*day + instant)},
		{"until, ahead", "resource.createdAt <= now - days(params.a)", ago(day), 3, in(2 * day)},
		{"before, at the limit", "resource.createdAt < now - days(params.a)", ago(3 * day), 3, in(instant)},
		{"until, at the limit", "resource.createdAt <= now - days(params.a)", ago(3 * day), 3, never},
		{"turned, at the limit", "now - days(params.a) > resource.createdAt", ago(3 * day), 3, in(instant)},
		{"turned, not strict, at the limit", "now - days(params.a) >= resource.createdAt", ago(3 * day), 3, never},
		{"a date equal to now", "resource.createdAt < now", now, 0, in(instant)},
		{"a date equal to now, not strict", "resource.createdAt <= now", now, 0, never},
		{"equal to now", "resource.createdAt == now", now, 0, in(instant)},
		{"equal later", "resource.createdAt == now", in(day), 0, in(day)},
		{"past", "resource.createdAt < now - days(params.a)", ago(4 * day), 3, never},
		{"no date", "resource.createdAt < now - days(params.a)", time.Time{}, 3, never},
		{"no date and its opposite", "resource.createdAt > now + days(params.a)", time.Time{}, 3, never},
		{"no date, and so the epoch", "resource.createdAt < now - days(params.a)", time.Time{}, 21000, time.Unix(0, 0).Add(21000*day + instant)},
		{"no date, asked for", "has(resource.createdAt) && resource.createdAt < now - days(params.a)", time.Time{}, 21000, never},
		{"of a person's life", "resource.createdAt < now", in(90 * 365 * day), 0, in(90*365*day + instant)},
		{"beyond the horizon", "resource.createdAt < now", in(101 * 365 * day), 0, never},
		{"the end of time", "resource.createdAt < now - days(params.a)", time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC), 3, never},
		{"a span that is too great", "resource.createdAt < now - days(params.a)", ago(day), 200000, never},
		{"a span as great as can be", "resource.createdAt < now - days(params.a) - days(params.a) + days(params.a)", ago(day), 106751, never},
		{"spans that add up beyond it", "resource.createdAt < now - days(params.a) - days(params.a) + days(params.a) + days(params.a)", in(day), 106751, in(day + instant)},
		{"the least span", "resource.createdAt < now + duration('-9223372036854775808ns')", now.Add(math.MinInt64).Add(day), 0, in(day + instant)},
		{"no difference to the verdict", "resource.createdAt < now || resource.createdAt >= now", in(day), 0, never},
		{"a difference later", "resource.createdAt < now || resource.createdAt > now + days(params.a)", in(4 * day), 3, in(day)},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := clocked{violations: []string{test.condition}}.policy(t)
			pr := bind(t, p, params(map[string]int{"a": test.a}))
			got := pr.Evaluate(userInput(&resources.IAMUser{CreatedAt: test.created}, now))
			if !got.DueAt.Equal(test.want) {
				t.Errorf("%s %s%s is due at %v, want %v", got.Outcome, got.Summary, got.Reason, got.DueAt, test.want)
			}
			if got.DueAt.Location() != time.UTC {
				t.Errorf("due at %v, want UTC", got.DueAt)
			}
		})
	}
}

func TestDueAtOfWhatNeverChanges(t *testing.T) {
	keys := bind(t, policyOf(t, "IAMAccessKeyUnused"), qrie.Launch{})
	for name, in := range map[string]Input{
		"the clock is not read":  bucketInput(&resources.S3Bucket{}, nil),
		"no date":                userInput(&resources.IAMUser{AccessKeys: []resources.AccessKey{{Active: true}}}, fixtureNow),
		"a view of another type": {View: resources.View{Value: &heldDate{Date: fixtureNow}}, Now: fixtureNow},
		"no view":                {Now: fixtureNow},
		"a key that is inactive": userInput(&resources.IAMUser{AccessKeys: []resources.AccessKey{
			{CreatedAt: fixtureNow, LastUsed: fixtureNow}}}, fixtureNow),
		"a date that the policy does not read": userInput(&resources.IAMUser{CreatedAt: fixtureNow}, fixtureNow),
	} {
		t.Run(name, func(t *testing.T) {
			pr := keys
			if name == "the clock is not read" {
				pr = bind(t, policyOf(t, "S3BucketVersioningDisabled"), qrie.Launch{})
			}
			if got := pr.Evaluate(in); !got.DueAt.IsZero() {
				t.Errorf("%s is due at %v, want never", got.Outcome, got.DueAt)
			}
		})
	}
}

// TestDueAtUnseen hides members: a date that could not be read tells nothing,
// and one that could still does.
func TestDueAtUnseen(t *testing.T) {
	p := clocked{violations: []string{"resource.createdAt < now - days(params.a)", "resource.accessKeys.exists(k, k.createdAt < now)"}}.policy(t)
	pr := bind(t, p, params(map[string]int{"a": 3}))
	user := &resources.IAMUser{CreatedAt: fixtureNow, AccessKeys: []resources.AccessKey{{CreatedAt: fixtureNow.Add(time.Hour)}}}
	for _, test := range []struct {
		hidden  string
		outcome qrie.Outcome
		want    time.Time
	}{
		{"", qrie.Pass, fixtureNow.Add(time.Hour + 1)},
		{"accessKeys", qrie.Unknown, fixtureNow.Add(72*time.Hour + 1)},
		{"createdAt", qrie.Unknown, fixtureNow.Add(time.Hour + 1)},
	} {
		t.Run(test.hidden, func(t *testing.T) {
			in := userInput(user, fixtureNow)
			in.View.Unknown = map[string]qrie.Missing{test.hidden: {Member: "M", Code: "AccessDenied", Action: "iam:GetM"}}
			if got := pr.Evaluate(in); got.Outcome != test.outcome || !got.DueAt.Equal(test.want) {
				t.Errorf("%s is due at %v, want %s at %v", got.Outcome, got.DueAt, test.outcome, test.want)
			}
		})
	}
}

// holder has dates in all the ways in which a view could have them.
type holder struct {
	Dates  []time.Time           `json:"dates"`
	Inner  *heldDate             `json:"inner"`
	Named  map[string][]heldDate `json:"named"`
	Unread time.Time             `json:"unread"`
}

type heldDate struct {
	Date   time.Time `json:"date"`
	Unread time.Time `json:"unread"`
}

func TestDueAtOfAnyShape(t *testing.T) {
	native, err := cel.NewEnv(ext.NativeTypes(ext.ParseStructTag("json"), reflect.TypeFor[holder]()),
		cel.Variable("resource", cel.ObjectType("policies.holder")), cel.Variable("now", cel.TimestampType))
	if err != nil {
		t.Fatal(err)
	}
	env := &environment{cel: native, adapter: native.CELTypeAdapter()}
	file := &source{}
	compile := func(name, text string) *expression {
		e := file.compile(env, name, &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: text})
		if e == nil {
			t.Fatal(file.problems)
		}
		return e
	}
	p := &Policy{
		UsesNow: true, kind: resources.Type{Sample: &holder{}}, env: env, summary: compile("summary", "'past'"),
		violations: []*expression{
			compile("violations", "resource.dates.filter(d, d < now).map(d, {'date': d})"),
			compile("violations", "resource.inner.date < now ? [{'inner': true}] : []"),
			compile("violations", "resource.named.exists(n, resource.named[n].exists(d, d.date <= now)) ? [{'named': true}] : []"),
		},
	}
	if p.clock = readClock(p); p.clock == nil {
		t.Fatal("the dates do not tell")
	}
	hour := func(n int) time.Time { return fixtureNow.Add(time.Duration(n) * time.Hour) }
	view := &holder{
		Dates: []time.Time{hour(4), hour(2), hour(-1)}, Inner: &heldDate{Date: hour(3), Unread: hour(1)},
		Named: map[string][]heldDate{"a": {{Date: hour(9)}}, "b": {{Date: hour(8)}, {Date: hour(5)}}}, Unread: hour(1),
	}
	pr := bind(t, p, qrie.Launch{})
	in := Input{View: resources.View{Value: view}, Now: fixtureNow}
	if slices.ContainsFunc(pr.moments(in), hour(1).Equal) {
		t.Error("a date is tried that no expression reads")
	}
	var got []time.Duration
	for due := pr.Evaluate(in).DueAt; !due.IsZero(); due = pr.Evaluate(in).DueAt {
		got = append(got, due.Sub(fixtureNow))
		in.Now = due
	}
	want := []time.Duration{2*time.Hour + 1, 3*time.Hour + 1, 4*time.Hour + 1, 5 * time.Hour}
	if !slices.Equal(got, want) {
		t.Errorf("due after %v, want %v", got, want)
	}
	view.Inner = nil
	pr.Evaluate(in) // must not look behind it
}

// TestOnlyViewsHoldDates holds what the clock of a policy takes for granted: a
// date that is read of a struct is one of the view.
func TestOnlyViewsHoldDates(t *testing.T) {
	for _, other := range []reflect.Type{reflect.TypeFor[accountVars](), reflect.TypeFor[Statement]()} {
		for _, f := range fieldsOf(other) {
			if inner := elementOf(f.kind); inner == reflect.TypeFor[time.Time]() || inner.Kind() == reflect.Struct {
				t.Errorf("%s.%s may hold a date, which datePaths does not find", other, f.name)
			}
		}
	}
}

// TestDueAtIsBounded has many dates of which none makes a difference.
func TestDueAtIsBounded(t *testing.T) {
	user := &resources.IAMUser{}
	for i := range 100 {
		user.AccessKeys = append(user.AccessKeys, resources.AccessKey{CreatedAt: fixtureNow.Add(time.Duration(100-i) * time.Hour)})
	}
	pr := bind(t, policyOf(t, "IAMAccessKeyNotRotated"), params(map[string]int{"max_age_days": 1}))
	got := pr.Evaluate(userInput(user, fixtureNow)).DueAt
	if want := fixtureNow.Add((24+maxTrials+1)*time.Hour + 1); !got.Equal(want) {
		t.Errorf("due at %v, want %v: the first date that was not tried", got, want)
	}
	hidden := userInput(user, fixtureNow)
	hidden.View.Unknown = map[string]qrie.Missing{"accessKeys": {Member: "AccessKeys", Code: "AccessDenied", Action: "iam:ListAccessKeys"}}
	if got := pr.Evaluate(hidden).DueAt; !got.IsZero() {
		t.Errorf("due at %v, want never: the dates could not be read", got)
	}
}

// TestDueAtProperty draws dates, now and parameters, and probes the verdict at
// the moments at which it could change: none changes it before it is due.
func TestDueAtProperty(t *testing.T) {
	all := 0 // verdicts that changed at a moment that was found
	check := func(name string, p *Policy, names [2]string) {
		t.Run(name, func(t *testing.T) {
			changed, exact := 0, 0
			rapid.Check(t, func(t *rapid.T) {
				a, b := rapid.IntRange(1, 20).Draw(t, "a"), rapid.IntRange(1, 20).Draw(t, "b")
				values := map[string]int{names[0]: a}
				if names[1] != "" {
					values[names[1]] = b
				}
				pr, err := p.Bind(params(values))
				if err != nil {
					t.Fatal(err)
				}
				in, dates := drawInput(t, p.ResourceType, a, b)
				verdict := pr.Evaluate(in)
				due := verdict.DueAt
				verdict.DueAt = time.Time{}
				same := func(at time.Time) bool {
					later := in
					later.Now = at
					return reflect.DeepEqual(pr.judge(&later), verdict)
				}
				until := due
				if due.IsZero() {
					until = in.Now.AddDate(10, 0, 0)
				} else if changed++; !due.After(in.Now) {
					t.Fatalf("due at %v, which is not after now", due)
				}
				if moments := pr.moments(in); len(moments) > 0 && !moments[0].After(in.Now) {
					t.Fatalf("%v is tried, which is not after now", moments[0])
				}
				for _, at := range probes(t, in.Now, until, dates, a, b) {
					if !same(at) {
						t.Fatalf("the verdict at %v is another and it is due at %v", at, due)
					}
				}
				if !due.IsZero() && len(pr.moments(in)) <= maxTrials {
					if exact++; same(due) {
						t.Fatalf("due at %v, and the verdict is the same", due)
					}
				}
			})
			t.Logf("%d verdicts change, %d at a moment that was found", changed, exact)
			all += exact
		})
	}
	for _, c := range dated {
		check(c.name, c.policy(t), [2]string{"a", "b"})
	}
	shipped := 0
	for _, p := range catalogue(t).All() {
		if p.UsesNow {
			shipped++
			check(p.ID, p, [2]string{p.Params[0].Name})
		}
	}
	if shipped == 0 {
		t.Error("no policy of the catalogue reads the clock")
	}
	if all < 20 { // of some hundred that are drawn
		t.Errorf("%d verdicts changed in all, which proves little", all)
	}
}

// drawInput draws a resource whose dates are likely to lie at a limit, apart
// from now by the parameters, or just beside it.
func drawInput(t *rapid.T, kind string, a, b int) (Input, []time.Time) {
	now := fixtureNow.Add(time.Duration(rapid.IntRange(0, 60*24).Draw(t, "hours")) * time.Hour)
	var dates []time.Time
	date := func(name string) time.Time {
		at := now.Add(time.Duration(rapid.SampledFrom([]int{0, a, -a, b, -b, a + b, -a - b, a - b}).Draw(t, name+" apart")) * 24 * time.Hour)
		switch rapid.IntRange(0, 9).Draw(t, name) {
		case 0:
			return time.Time{}
		case 1:
			at = now.AddDate(rapid.SampledFrom([]int{-400, -100, 80, 400, 7900}).Draw(t, name+" years"), 0, 0)
		case 2, 3, 4, 5, 6:
			at = at.Add(time.Duration(rapid.IntRange(-50*24, 50*24).Draw(t, name+" hours")) * time.Hour)
		case 7:
			at = at.Add(time.Duration(rapid.IntRange(-1, 1).Draw(t, name+" instants")))
		}
		dates = append(dates, at)
		return at
	}
	if kind == "AWS::Account" {
		account := &resources.Account{RootPasswordUsed: date("password"), RootKeyUsed: date("key")}
		return Input{View: resources.View{Value: account}, Now: now}, dates
	}
	user := &resources.IAMUser{CreatedAt: date("created"), PasswordLastUsed: date("password")}
	for range rapid.IntRange(0, 2).Draw(t, "keys") {
		user.AccessKeys = append(user.AccessKeys, resources.AccessKey{
			Active: rapid.Bool().Draw(t, "active"), CreatedAt: date("key created"), LastUsed: date("key used")})
	}
	return userInput(user, now), dates
}

// probes are the moments between from and to at which a date apart by the
// parameters could turn a comparison, those beside them, and some others.
func probes(t *rapid.T, from, to time.Time, dates []time.Time, a, b int) []time.Time {
	probes := []time.Time{from.Add(1), to.Add(-1)}
	for range 10 {
		share := rapid.Float64Range(0, 1).Draw(t, "probe")
		probes = append(probes, from.Add(time.Duration(share*float64(to.Sub(from)))))
	}
	spans := []time.Duration{0, 36 * time.Hour, -36 * time.Hour}
	for _, days := range []int{a, b, a + b, a - b} {
		spans = append(spans, time.Duration(days)*24*time.Hour, time.Duration(-days)*24*time.Hour)
	}
	for _, date := range append(slices.Clone(dates), time.Unix(0, 0).Add(20500*24*time.Hour), time.Date(2026, 1, 20, 0, 0, 0, 0, time.UTC), time.Date(2026, 2, 20, 0, 0, 0, 0, time.UTC)) {
		for _, span := range spans {
			probes = append(probes, date.Add(span), date.Add(span).Add(1))
		}
	}
	return slices.DeleteFunc(probes, func(at time.Time) bool { return !at.After(from) || !at.Before(to) })
}
