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
	switch {
	case !pr.policy.UsesNow:
		return time.Time{}
	case pr.policy.Daily:
		return nextMidnight(in.Now)
	}
	for trial, moment := range pr.moments(in) {
		if trial == maxTrials {
			return moment
		}
		in.Now = moment
		if !reflect.DeepEqual(pr.judge(in), verdict) {
			return moment
		}
	}
	return time.Time{}
}

// moments are those after now at which a comparison with now may turn, in
// order. Between two of them the verdict stays as it is.
func (pr *Program) moments(in Input) []time.Time {
	view := reflect.ValueOf(in.View.Value)
	if !view.IsValid() || view.Type() != reflect.PointerTo(viewType(pr.policy.kind)) {
		return nil // the view of another type, of which nothing can be read at any time
	}
	var moments []time.Time
	last := in.Now.Add(horizon)
	turn := func(date time.Time) {
		for _, spans := range pr.turns {
			moment := date
			for _, span := range spans { // their sum may be too great for a Duration
				moment = moment.Add(span)
			}
			if moment.After(in.Now) && moment.Before(last) {
				moments = append(moments, moment.UTC())
			}
		}
	}
	for _, date := range pr.dates {
		turn(date)
	}
	for _, path := range pr.policy.clock.dates {
		if _, hidden := in.View.Unknown[path.field]; !hidden {
			follow(view, path.index, turn)
		}
	}
	slices.SortFunc(moments, time.Time.Compare)
	return slices.CompactFunc(moments, time.Time.Equal)
}

// bindClock evaluates the spans and the dates that do not depend on a resource.
func (pr *Program) bindClock() {
	c := pr.policy.clock
	if c == nil {
		return
	}
	constants := &activation{program: pr, lets: make([]ref.Val, len(pr.policy.lets))}
	pr.dates = []time.Time{time.Unix(0, 0)} // which expressions see where a date is absent
	for _, e := range c.stated {
		if date, ok := e.eval(constants).(types.Timestamp); ok {
			pr.dates = append(pr.dates, date.Time)
		}
	}
	for _, t := range c.turns {
		var durations []time.Duration
		for _, s := range t.spans {
			d, _ := s.of.eval(constants).(types.Duration) // where this fails, so does the comparison, at all times
			if s.minus {
				durations = append(durations, ^d.Duration, 1) // -d, also of the least one
			} else {
				durations = append(durations, d.Duration)
			}
		}
		if t.justAfter {
			durations = append(durations, 1)
		}
		pr.turns = append(pr.turns, durations)
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
		visit(v.Interface().(time.Time))
	}
}
