package policies

import (
	"reflect"
	"slices"
	"time"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"

	"github.com/qrie-sec/qrie"
)

// maxTrials bounds the evaluations that look for the moment at which a verdict
// changes. Most resources have a date or two that lie ahead.
const maxTrials = 8

// horizon is how far ahead a change is looked for. A certificate may say that
// it ends in the year 9999, which no store and nobody needs to note.
const horizon = 100 * 365 * 24 * time.Hour

// dueAt is when the verdict on in first becomes another one by the clock
// alone; zero if it does not. If that takes too many trials it may be early.
func (pr *Program) dueAt(in Input, verdict qrie.Verdict) time.Time {
	if pr.policy.Daily {
		return nextMidnight(in.Now)
	}
	for trial, moment := range pr.moments(in) {
		if trial == maxTrials {
			return moment
		}
		in.Now = moment
		if !pr.stands(verdict, in) {
			return moment
		}
	}
	return time.Time{}
}

// stands reports whether a verdict is the same now. Most often it turns from
// one outcome to another, of which nothing needs to be explained.
func (pr *Program) stands(verdict qrie.Verdict, in Input) bool {
	a := pr.activate(&in)
	v, found := pr.decide(a, in.View)
	if v.Outcome != verdict.Outcome {
		return false
	}
	pr.explain(&v, a, found)
	return reflect.DeepEqual(v, verdict)
}

// moments are those after now at which a comparison with now may turn, in
// order. Between two of them the verdict stays as it is.
func (pr *Program) moments(in Input) []time.Time {
	c := pr.policy.clock
	view := reflect.ValueOf(in.View.Value)
	if !view.IsValid() || view.Type() != c.view {
		return nil // of another type, of which nothing can be read at any time
	}
	var moments []time.Time
	last := in.Now.Add(horizon)
	try := func(moment time.Time) {
		if moment.After(in.Now) && moment.Before(last) {
			moments = append(moments, moment.UTC())
		}
	}
	for _, moment := range pr.stated {
		try(moment)
	}
	for _, path := range c.dates {
		if _, hidden := in.View.Unknown[path.field]; hidden {
			continue
		}
		follow(view, path.index, func(date time.Time) {
			for _, turn := range pr.turns {
				try(turn.from(date))
			}
		})
	}
	slices.SortFunc(moments, time.Time.Compare)
	return slices.CompactFunc(moments, time.Time.Equal)
}

// turnSpans are the spans of a turn, bound. Their sum may be too great for one
// Duration.
type turnSpans []time.Duration

func (t turnSpans) from(date time.Time) time.Time {
	for _, span := range t {
		date = date.Add(span)
	}
	return date
}

// bindClock evaluates what does not depend on a resource: the spans of the
// turns, and where they turn on dates that the expressions state.
func (pr *Program) bindClock() {
	c := pr.policy.clock
	if c == nil {
		return
	}
	constants := &activation{program: pr, lets: make([]ref.Val, len(pr.policy.lets))}
	for _, t := range c.turns {
		spans := turnSpans{}
		for _, s := range t.spans {
			d, _ := s.of.eval(constants).(types.Duration) // where this fails, so does the comparison, at all times
			if s.minus {
				spans = append(spans, ^d.Duration, 1) // -d, also of the least one
			} else {
				spans = append(spans, d.Duration)
			}
		}
		if t.justAfter {
			spans = append(spans, 1)
		}
		if !slices.ContainsFunc(pr.turns, func(other turnSpans) bool { return slices.Equal(spans, other) }) {
			pr.turns = append(pr.turns, spans)
		}
	}
	dates := []time.Time{time.Unix(0, 0)} // which expressions see where a date is absent
	for _, e := range c.stated {
		if date, ok := e.eval(constants).(types.Timestamp); ok {
			dates = append(dates, date.Time)
		}
	}
	for _, date := range dates {
		for _, turn := range pr.turns {
			pr.stated = append(pr.stated, turn.from(date))
		}
	}
}

// nextMidnight is when a verdict is due whose dates do not tell: the next
// midnight UTC after t. One moment for all lets them be judged in one round.
func nextMidnight(t time.Time) time.Time {
	return t.UTC().Truncate(24 * time.Hour).Add(24 * time.Hour)
}

// datePath leads to the dates of one field in a view: the indices of struct
// fields, each through whatever pointers, lists and maps lie between.
type datePath struct {
	field string // of the view, for what is unknown
	index []int
}

// datePaths lists the paths to the fields of a type that are wanted. Types of
// views do not hold themselves, so this ends.
func datePaths(t reflect.Type, wanted map[member]bool, index []int) []datePath {
	var paths []datePath
	for _, f := range fieldsOf(t) {
		at := append(slices.Clone(index), f.index)
		var below []datePath
		switch inner := elementOf(f.kind); {
		case inner == reflect.TypeFor[time.Time]():
			if wanted[member{t.String(), f.name}] {
				below = []datePath{{index: at}}
			}
		case inner.Kind() == reflect.Struct:
			below = datePaths(inner, wanted, at)
		}
		for _, p := range below {
			paths = append(paths, datePath{field: f.name, index: p.index})
		}
	}
	return paths
}

// elementOf is the type within pointers, lists and maps.
func elementOf(t reflect.Type) reflect.Type {
	for slices.Contains([]reflect.Kind{reflect.Pointer, reflect.Slice, reflect.Array, reflect.Map}, t.Kind()) {
		t = t.Elem()
	}
	return t
}

// follow calls visit for every date at the end of a path.
func follow(v reflect.Value, index []int, visit func(time.Time)) {
	switch v.Kind() {
	case reflect.Pointer:
		follow(v.Elem(), index, visit) // of nil, this is nothing to follow
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			follow(v.Index(i), index, visit)
		}
	case reflect.Map:
		for i := v.MapRange(); i.Next(); {
			follow(i.Value(), index, visit)
		}
	case reflect.Struct:
		if len(index) > 0 {
			follow(v.Field(index[0]), index[1:], visit)
			return
		}
		if date, ok := reflect.TypeAssert[time.Time](v); ok { // unlike Interface, without a copy on the heap
			visit(date)
		}
	}
}
