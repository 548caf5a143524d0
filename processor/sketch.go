package processor

import (
	"fmt"

	"github.com/qrie-sec/qrie/stream"
)

// Sketch says in a few words what one of qrie's own records asks for. own is
// false for any other: an event. A record that cannot be understood is
// sketched by the reason.
func Sketch(data []byte) (kind string, words []string, own bool) {
	k, own, err := open(data)
	if !own {
		return "", nil, false
	}
	if err == nil {
		switch k {
		case kindMark:
			words, err = each(data, func(m touched) string {
				what := m.Ref.String()
				if m.Ref.ID == "" {
					what = fmt.Sprintf("every %s in account %s, %s", m.Ref.Type, m.Ref.Account, m.Ref.Region)
				}
				if len(m.Events) > 0 {
					what += " after " + m.Events[0].Name + " by " + m.Events[0].Actor.Name
				}
				return what
			})
		case kindScan:
			words, err = each(data, func(t scanTask) string {
				what := "list"
				if t.Sweep {
					what = "look for what was not listed of"
				}
				return fmt.Sprintf("%s %s in account %s, %s, page %d", what, t.Type, t.Account, t.Region, t.Page+1)
			})
		case kindJudge:
			words, err = each(data, func(t judgeTask) string {
				return fmt.Sprintf("judge %s of account %s anew, page %d", t.Type, t.Account, t.Page+1)
			})
		case kindPlan:
			words, err = each(data, func(t planTask) string {
				return fmt.Sprintf("lay out the %s job %s (%s)", t.Job.Kind, t.Job.ID, t.Job.Scope)
			})
		case kindProbe:
			words, err = each(data, func(id string) string { return id })
		default:
			err = fmt.Errorf("record of unknown kind %q", k)
		}
	}
	if err != nil {
		return string(k), []string{"cannot be understood: " + err.Error()}, true
	}
	return string(k), words, true
}

func each[T any](data []byte, say func(T) string) (words []string, err error) {
	list, err := items[T](data)
	for _, item := range list {
		words = append(words, say(item))
	}
	return words, err
}

// Probe is a record that asks for nothing: when its shard's checkpoint has
// passed it, a worker reads that shard.
func Probe(id string) (stream.Record, error) { return encode(kindProbe, "probe", []string{id}) }
