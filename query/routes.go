package query

import "time"

// Time that a request may take.
const (
	quick    = 10 * time.Second
	patient  = 30 * time.Second // deletes resolve findings while the caller waits
	unending = 0                // the live stream
)

// route is one operation of the server.
type route struct {
	method  string
	path    string // parameters as {name}
	id      string // operation id
	tag     string // noun
	role    Role   // the least that may call it
	timeout time.Duration
	summary string
	bind    binder
}

// routes lists every operation. The document, the roles and the time limits
// all come from here.
func routes() []route {
	const v1 = "/api/v1"
	return []route{
		{"GET", v1 + "/meta", "meta", "server", Open, quick, "What this server is and who the caller is", call((*Server).meta)},
		{"GET", v1 + "/accounts", "list-accounts", "accounts", Viewer, quick, "AWS accounts, with their open findings and resources", call((*Server).listAccounts)},
		{"POST", v1 + "/accounts/{id}/actions/release-deletions", "release-deletions", "accounts", Admin, quick, "Let deletions through that were held because there were too many at once", call((*Server).releaseDeletions)},
		{"GET", v1 + "/services", "list-services", "services", Viewer, quick, "AWS services and their resource types", call((*Server).listServices)},

		{"GET", v1 + "/findings", "list-findings", "findings", Viewer, quick, "Findings: the worst first, then the last changed", call((*Server).listFindings)},
		{"GET", v1 + "/findings/{id}", "get-finding", "findings", Viewer, quick, "One finding: evidence, cause, fix, timeline", call((*Server).getFinding)},
		{"GET", v1 + "/findings/{id}/timeline", "finding-timeline", "findings", Viewer, quick, "What happened to a finding, newest first", call((*Server).findingTimeline)},

		{"GET", v1 + "/resources", "list-resources", "resources", Viewer, quick, "Resources by type, account, Region and id", call((*Server).listResources)},
		{"GET", v1 + "/resources/{id}", "get-resource", "resources", Viewer, quick, "One resource: configuration, verdicts, findings, versions", call((*Server).getResource)},
		{"GET", v1 + "/resources/{id}/history", "resource-history", "resources", Viewer, quick, "Versions of a resource, newest first", call((*Server).resourceHistory)},
		{"GET", v1 + "/resources/{id}/history/{version}", "resource-version", "resources", Viewer, quick, "One version of a resource with its configuration", call((*Server).resourceVersion)},
		{"GET", v1 + "/resources/{id}/timeline", "resource-timeline", "resources", Viewer, quick, "What happened to the findings of a resource, newest first", call((*Server).resourceTimeline)},

		{"GET", v1 + "/policies", "list-policies", "policies", Viewer, quick, "Policies: active, suspended, available", call((*Server).listPolicies)},
		{"POST", v1 + "/policies", "launch-policy", "policies", PolicyAuthor, quick, "Launch a policy", created((*Server).launchPolicy)},
		{"GET", v1 + "/policies/{id}", "get-policy", "policies", Viewer, quick, "One policy with its source", call((*Server).getPolicy)},
		{"PUT", v1 + "/policies/{id}", "update-policy", "policies", PolicyAuthor, quick, "Change, suspend or resume a launched policy", call((*Server).updatePolicy)},
		{"DELETE", v1 + "/policies/{id}", "delete-policy", "policies", PolicyAuthor, patient, "Remove a launch and resolve its findings", call((*Server).deletePolicy)},

		{"GET", v1 + "/summary/dashboard", "summary-dashboard", "summaries", Viewer, quick, "The dashboard, at most an hour old, with its age", call((*Server).summaryDashboard)},
		{"GET", v1 + "/summary/findings", "summary-findings", "summaries", Viewer, quick, "Findings counted by policy, as of now", call((*Server).summaryFindings)},
		{"GET", v1 + "/summary/resources", "summary-resources", "summaries", Viewer, quick, "Resources counted by type, as of now", call((*Server).summaryResources)},

		{"GET", v1 + "/changes", "list-changes", "changes", Viewer, quick, "Transitions in the order they were stored", call((*Server).listChanges)},
		{"GET", v1 + "/stream", "stream", "changes", Viewer, unending, "Transitions as they happen (server-sent events)", raw((*Server).stream, documentStream)},
		{"GET", v1 + "/jobs", "list-jobs", "system", Viewer, quick, "Scans and other long tasks, newest first", call((*Server).listJobs)},
		{"GET", v1 + "/jobs/{id}", "get-job", "system", Viewer, quick, "One of them, with its progress", call((*Server).getJob)},
		{"POST", v1 + "/jobs/{id}/actions/cancel", "cancel-job", "system", PolicyAuthor, quick, "End a job where it stands; what it found stays", call((*Server).cancelJob)},
		{"POST", v1 + "/scans", "start-scan", "system", PolicyAuthor, quick, "Scan accounts or services, or judge what a policy covers anew", accepted((*Server).startScan)},
		{"GET", v1 + "/deliveries", "list-deliveries", "system", Viewer, quick, "Transitions told to sinks, newest first", call((*Server).listDeliveries)},
		{"POST", v1 + "/deliveries/{sink}/{transition}/actions/replay", "replay-delivery", "system", PolicyAuthor, quick, "Try one again that was given up", call((*Server).replayDelivery)},
		{"GET", v1 + "/system", "system", "system", Viewer, quick, "How the pipeline does", call((*Server).system)},

		{"GET", v1 + "/demo/changes", "list-demo-changes", "demo", Viewer, quick, "Changes that the simulated organisation can make", call((*Server).listDemoChanges)},
		{"POST", v1 + "/demo/changes", "make-demo-change", "demo", PolicyAuthor, quick, "Make one of them", call((*Server).makeDemoChange)},

		{"POST", v1 + "/login", "login", "server", Open, quick, "Trade a login code for a session cookie", noContent((*Server).login)},
		{"POST", v1 + "/logout", "logout", "server", Open, quick, "End the session", noContent((*Server).logout)},

		{"GET", v1 + "/openapi.json", "openapi-json", "server", Open, quick, "This document as JSON", raw((*Server).openAPIJSON, nil)},
		{"GET", v1 + "/openapi.yaml", "openapi-yaml", "server", Open, quick, "This document as YAML", raw((*Server).openAPIYAML, nil)},
		{"GET", "/healthz", "healthz", "server", Open, quick, "Is the process alive", call((*Server).healthz)},
		{"GET", "/readyz", "readyz", "server", Open, quick, "Can it answer", call((*Server).readyz)},
		{"GET", "/metrics", "metrics", "server", Open, quick, "Metrics for Prometheus: open to the machine itself, otherwise for viewers", raw((*Server).serveMetrics, nil)},
	}
}
