package query

import (
	"time"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/store"
)

// Week is what happened to findings in one week.
type Week struct {
	WeekStart      string `json:"week_start" format:"date" doc:"The Monday, UTC"`
	TotalFindings  int64  `json:"total_findings" doc:"Opened up to the end of the week"`
	OpenFindings   int64  `json:"open_findings" doc:"Open at the end of the week"`
	NewFindings    int64  `json:"new_findings" doc:"Opened or reopened in the week"`
	ClosedFindings int64  `json:"closed_findings"`
	CriticalNew    int64  `json:"critical_new"`
	IsCurrent      bool   `json:"is_current" doc:"The week is not over"`
}

const weeks = 8

// monday is the beginning of the week that t lies in.
func monday(t time.Time) time.Time {
	day := time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, time.UTC)
	return day.AddDate(0, 0, -(int(day.Weekday())+6)%7)
}

// firstWeek is the Monday of the oldest week that the dashboard shows. It lies
// before the first of any month that now is in.
func firstWeek(now time.Time) time.Time { return monday(now).AddDate(0, 0, -7*(weeks-1)) }

// weekly counts back from the present: what was open at the end of a week is
// what is open now, less what was opened since, and what was resolved since
// added. So the last week always agrees with the numbers beside it.
func weekly(now time.Time, days []store.DayCount, open, total int64) []Week {
	list := make([]Week, weeks)
	first := firstWeek(now)
	for i := range list {
		list[i].WeekStart = first.AddDate(0, 0, 7*i).Format(time.DateOnly)
	}
	list[weeks-1].IsCurrent = true
	for _, d := range days {
		day, err := time.Parse(time.DateOnly, d.Day)
		if err != nil || day.Before(first) {
			continue
		}
		// A day after this week is a clock that is ahead: it counts as now.
		w := &list[min(int(day.Sub(first)/(7*24*time.Hour)), weeks-1)]
		w.NewFindings += d.Opened
		w.ClosedFindings += d.Resolved
		if d.Band == qrie.Critical {
			w.CriticalNew += d.Opened
		}
	}
	for i := weeks - 1; i >= 0; i-- {
		w := &list[i]
		// Resolved findings are trimmed after a while, and a reopening opens
		// without adding a finding: the past must not fall below what was open.
		w.OpenFindings = max(0, open)
		w.TotalFindings = max(total, w.OpenFindings)
		open += w.ClosedFindings - w.NewFindings
		total -= w.NewFindings
	}
	return list
}
