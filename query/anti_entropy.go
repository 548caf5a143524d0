package query

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/qrie-sec/qrie"
	"github.com/qrie-sec/qrie/store"
)

// AntiEntropy is the scheduled scans that heal what events missed.
type AntiEntropy struct {
	LastInventoryScan *InventoryScan `json:"last_inventory_scan,omitempty"`
	LastPolicyScan    *PolicyScan    `json:"last_policy_scan,omitempty"`
	DriftDetected     bool           `json:"drift_detected" doc:"A scan is overdue, so what is shown may differ from what is"`
}

// ScanTimes is when a scan was and how long it took.
type ScanTimes struct {
	ScanID      string  `json:"scan_id"`
	TimestampMS int64   `json:"timestamp_ms" doc:"Its end, in milliseconds since 1970"`
	AgeHours    float64 `json:"age_hours" doc:"When the dashboard was computed"`
	DurationMS  int64   `json:"duration_ms"`
}

// InventoryScan is a scan that listed the resources of all accounts.
type InventoryScan struct {
	ScanTimes
	ResourcesFound int64 `json:"resources_found"`
}

// PolicyScan is a scan that judged stored resources anew.
type PolicyScan struct {
	ScanTimes
	ProcessedResources int64 `json:"processed_resources"`
}

// Ages from which on a scan is overdue: the weekly one and the daily one, with
// a day and two hours to spare.
const (
	inventoryOverdue = 8 * 24 * time.Hour
	policyOverdue    = 26 * time.Hour
)

// antiEntropy looks at the scans that cover everything. Those that a launch or
// a person asked for cover a part and would hide a missing one.
func (s *Server) antiEntropy(ctx context.Context, d *directory, now time.Time) (AntiEntropy, error) {
	var result AntiEntropy
	inventory, running, err := s.lastScan(ctx, "inventory")
	if err != nil {
		return result, err
	}
	watching := len(d.accounts) > 0
	switch {
	case inventory != nil:
		result.LastInventoryScan = &InventoryScan{ScanTimes: scanTimes(*inventory, now), ResourcesFound: inventory.Items}
		result.DriftDetected = now.Sub(inventory.Finished) > inventoryOverdue
	case watching && !running:
		result.DriftDetected = true // nothing was ever listed, and nothing is about to be
	}
	policy, running, err := s.lastScan(ctx, "policy")
	if err != nil {
		return result, err
	}
	switch {
	case policy != nil:
		result.LastPolicyScan = &PolicyScan{ScanTimes: scanTimes(*policy, now), ProcessedResources: policy.Items}
		result.DriftDetected = result.DriftDetected || now.Sub(policy.Finished) > policyOverdue
	case watching && !running && d.oldestLaunch(now) > policyOverdue:
		result.DriftDetected = true
	}
	return result, nil
}

// lastScan finds the newest finished scan of a kind, and whether one runs.
func (s *Server) lastScan(ctx context.Context, kind string) (last *store.Job, running bool, err error) {
	jobs, err := s.store.ListJobs(ctx, kind, listedJobs)
	if err != nil {
		return nil, false, fmt.Errorf("list %s jobs: %w", kind, err)
	}
	for _, j := range jobs {
		switch {
		case j.Reason != "scheduled" && j.Reason != "bootstrap":
		case j.State == store.JobRunning:
			running = true
		case j.State == store.JobDone:
			return &j, running, nil
		}
	}
	return nil, running, nil
}

func scanTimes(j store.Job, now time.Time) ScanTimes {
	return ScanTimes{
		ScanID: j.ID, TimestampMS: j.Finished.UnixMilli(),
		AgeHours:   math.Round(now.Sub(j.Finished).Hours()*10) / 10,
		DurationMS: j.Finished.Sub(j.Started).Milliseconds(),
	}
}

// oldestLaunch is the age of the active launch that was made first.
func (d *directory) oldestLaunch(now time.Time) (age time.Duration) {
	for _, l := range d.launches {
		if l.Status == qrie.LaunchActive {
			age = max(age, now.Sub(l.CreatedAt))
		}
	}
	return age
}
