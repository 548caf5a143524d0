package local

// migrations lead from one schema to the next; only ever append to them.
//
// Times are Unix nanoseconds, 0 for none. Ids such as f_… are the ten bytes
// that pack makes of them, whose order is that of the ids. JSON is kept as
// BLOB: the driver hands it over without looking at it.
var migrations = []string{`
CREATE TABLE qrie_meta (name TEXT PRIMARY KEY, value) WITHOUT ROWID;
INSERT INTO qrie_meta VALUES ('generation', 0), ('day_trimmed', ''), ('dirty_revision', 0), ('versions_trimmed', 0);

CREATE TABLE qrie_names (n INTEGER PRIMARY KEY, sort TEXT NOT NULL, name TEXT NOT NULL, UNIQUE (sort, name));

CREATE TABLE qrie_accounts (id TEXT PRIMARY KEY, external_id TEXT NOT NULL, body BLOB NOT NULL) WITHOUT ROWID;

CREATE TABLE qrie_policies (policy TEXT PRIMARY KEY, generation INTEGER NOT NULL, status TEXT NOT NULL, body BLOB NOT NULL) WITHOUT ROWID;

-- One row a resource, without its document: an observation that changes
-- nothing rewrites this row and touches no index.
CREATE TABLE qrie_resources (
	n INTEGER PRIMARY KEY,
	rid BLOB NOT NULL UNIQUE,
	version INTEGER NOT NULL, observed_at INTEGER NOT NULL, listed_at INTEGER NOT NULL, generation INTEGER NOT NULL,
	changed_at INTEGER NOT NULL, first_seen INTEGER NOT NULL, due_at INTEGER NOT NULL,
	deleted INTEGER NOT NULL,
	open INTEGER NOT NULL,    -- active findings
	history INTEGER NOT NULL, -- entries in qrie_versions, at least
	document INTEGER NOT NULL, -- the row of qrie_versions that holds it
	type TEXT NOT NULL, account TEXT NOT NULL, region TEXT NOT NULL, id TEXT NOT NULL, global INTEGER NOT NULL,
	hash TEXT NOT NULL,
	heads BLOB NOT NULL,
	haystack TEXT NOT NULL,
	detail BLOB NOT NULL
);
CREATE INDEX qrie_resources_list ON qrie_resources (type, account, region, id);
CREATE INDEX qrie_resources_failing ON qrie_resources (type, account, region, id) WHERE open > 0;
CREATE INDEX qrie_resources_due ON qrie_resources (type, account, region, id) WHERE due_at > 0;

-- The history of resources; the newest entry holds the present document.
CREATE TABLE qrie_versions (
	n INTEGER PRIMARY KEY,
	rid BLOB NOT NULL, version INTEGER NOT NULL,
	observed_at INTEGER NOT NULL, deleted INTEGER NOT NULL,
	cause BLOB NOT NULL,
	document BLOB, -- compressed
	UNIQUE (rid, version)
);

-- rank is 100 - severity and newest is -changed_at, so that every list is an
-- index read upwards. kind is a policy and its resource type.
CREATE TABLE qrie_findings (
	n INTEGER PRIMARY KEY,
	fid BLOB NOT NULL UNIQUE,
	active INTEGER NOT NULL, rank INTEGER NOT NULL, newest INTEGER NOT NULL,
	kind INTEGER NOT NULL, account INTEGER NOT NULL, service INTEGER NOT NULL, region INTEGER NOT NULL,
	rid BLOB NOT NULL,
	opened_at INTEGER NOT NULL,
	haystack TEXT NOT NULL,
	body BLOB NOT NULL,
	evidence BLOB
);
CREATE INDEX qrie_findings_all ON qrie_findings (active, rank, newest, fid);
CREATE INDEX qrie_findings_kind ON qrie_findings (active, kind, rank, newest, fid);
CREATE INDEX qrie_findings_account ON qrie_findings (active, account, service, rank, newest, fid);
CREATE INDEX qrie_findings_resource ON qrie_findings (rid);

-- One writer gives out seq, in the order of commits: whoever has read seq n
-- will never see a lower one appear.
CREATE TABLE qrie_transitions (
	seq INTEGER PRIMARY KEY,
	tid BLOB NOT NULL UNIQUE,
	fid BLOB NOT NULL, rid BLOB NOT NULL,
	at INTEGER NOT NULL, kind TEXT NOT NULL, severity INTEGER NOT NULL,
	body BLOB NOT NULL,
	evidence BLOB
);
CREATE INDEX qrie_transitions_finding ON qrie_transitions (fid);
CREATE INDEX qrie_transitions_resource ON qrie_transitions (rid);
CREATE TABLE qrie_outbox (seq INTEGER PRIMARY KEY);

CREATE TABLE qrie_counters (
	n INTEGER PRIMARY KEY,
	dimension TEXT NOT NULL, account TEXT NOT NULL, name TEXT NOT NULL, part TEXT NOT NULL,
	count INTEGER NOT NULL, last_at INTEGER NOT NULL,
	UNIQUE (dimension, account, name, part)
);

-- What is to be trimmed, and when: resolved findings and tombstones.
CREATE TABLE qrie_expiry (
	due INTEGER NOT NULL, sort TEXT NOT NULL, id BLOB NOT NULL, version INTEGER NOT NULL,
	PRIMARY KEY (due, sort, id, version)
) WITHOUT ROWID;

CREATE TABLE qrie_summary (
	key TEXT PRIMARY KEY,
	payload BLOB, computed_at INTEGER NOT NULL, written_fence INTEGER NOT NULL,
	owner TEXT NOT NULL, until INTEGER NOT NULL, fence INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE qrie_locks (name TEXT PRIMARY KEY, owner TEXT NOT NULL, until INTEGER NOT NULL, fence INTEGER NOT NULL) WITHOUT ROWID;

CREATE TABLE qrie_dirty (
	n INTEGER PRIMARY KEY,
	rid BLOB NOT NULL UNIQUE,
	due_at INTEGER NOT NULL, since INTEGER NOT NULL, revision INTEGER NOT NULL,
	body BLOB NOT NULL
);
CREATE INDEX qrie_dirty_due ON qrie_dirty (due_at);
CREATE INDEX qrie_dirty_since ON qrie_dirty (since);

CREATE TABLE qrie_dead_letters (id TEXT PRIMARY KEY, at INTEGER NOT NULL, body BLOB NOT NULL, data BLOB);
CREATE INDEX qrie_dead_letters_at ON qrie_dead_letters (at, id);

CREATE TABLE qrie_jobs (id TEXT PRIMARY KEY, kind TEXT NOT NULL, started INTEGER NOT NULL, body BLOB NOT NULL);
CREATE INDEX qrie_jobs_started ON qrie_jobs (started, id);
CREATE INDEX qrie_jobs_kind ON qrie_jobs (kind, started, id);
CREATE TABLE qrie_job_pages (job TEXT NOT NULL, page TEXT NOT NULL, PRIMARY KEY (job, page)) WITHOUT ROWID;

CREATE TABLE qrie_tokens (id TEXT PRIMARY KEY, hash TEXT NOT NULL UNIQUE, body BLOB NOT NULL);
`, `
CREATE TABLE qrie_exceptions (id TEXT PRIMARY KEY, anchor TEXT NOT NULL, revision INTEGER NOT NULL, body BLOB NOT NULL);
CREATE INDEX qrie_exceptions_anchor ON qrie_exceptions (anchor);

CREATE TABLE qrie_audit (at INTEGER NOT NULL, id TEXT NOT NULL, target TEXT NOT NULL, body BLOB NOT NULL, PRIMARY KEY (at, id)) WITHOUT ROWID;
CREATE INDEX qrie_audit_target ON qrie_audit (target, at, id);
`, `
INSERT INTO qrie_meta VALUES ('accounts_stamp', 0);

DROP INDEX qrie_resources_due;
CREATE INDEX qrie_resources_due ON qrie_resources (due_at, n) WHERE due_at > 0;

ALTER TABLE qrie_job_pages ADD COLUMN decided BLOB;

CREATE TABLE qrie_health (account TEXT PRIMARY KEY, body BLOB NOT NULL) WITHOUT ROWID;

CREATE TABLE qrie_deliveries (
	id TEXT PRIMARY KEY, state TEXT NOT NULL, sink TEXT NOT NULL, revision INTEGER NOT NULL,
	created INTEGER NOT NULL, next_at INTEGER NOT NULL, body BLOB NOT NULL,
	payload BLOB -- compressed
);
CREATE INDEX qrie_deliveries_newest ON qrie_deliveries (created DESC, id);
CREATE INDEX qrie_deliveries_state ON qrie_deliveries (state, created DESC, id);
CREATE INDEX qrie_deliveries_due ON qrie_deliveries (next_at, id) WHERE state = 'pending';
`, `
CREATE TABLE qrie_waiting (
	n INTEGER PRIMARY KEY AUTOINCREMENT, -- with additions, the revision of the mark
	rid BLOB NOT NULL UNIQUE,
	due_at INTEGER NOT NULL, since INTEGER NOT NULL,
	body BLOB NOT NULL
);
INSERT INTO qrie_waiting (n, rid, due_at, since, body) SELECT revision, rid, due_at, since, body FROM qrie_dirty;
DROP TABLE qrie_dirty;
ALTER TABLE qrie_waiting RENAME TO qrie_dirty;
CREATE INDEX qrie_dirty_due ON qrie_dirty (due_at);
CREATE INDEX qrie_dirty_since ON qrie_dirty (since);
DELETE FROM qrie_meta WHERE name = 'dirty_revision';
`, `
ALTER TABLE qrie_dirty ADD COLUMN additions INTEGER NOT NULL DEFAULT 0; -- marks in body behind the first
UPDATE qrie_dirty SET additions = 8; -- none may follow what is there: it has no length
DROP INDEX qrie_dirty_since; -- rows are in the order of since, but for a few
`, `
-- A further look at a resource: when (0 for none), and its marks, one behind the
-- other. The number grows with each change of these two.
ALTER TABLE qrie_resources ADD COLUMN again_at INTEGER NOT NULL DEFAULT 0;
ALTER TABLE qrie_resources ADD COLUMN again_n INTEGER NOT NULL DEFAULT 0;
ALTER TABLE qrie_resources ADD COLUMN again BLOB;
CREATE INDEX qrie_resources_again ON qrie_resources (again_at, n) WHERE again_at > 0;
`, `
-- Each version names the one before it of the same resource, 0 for none, which may
-- be trimmed by now; the resource names the newest. An index by resource instead
-- would write a page of its own for each change.
CREATE TABLE qrie_chain (
	n INTEGER PRIMARY KEY,
	before INTEGER NOT NULL,
	rid BLOB NOT NULL, version INTEGER NOT NULL,
	observed_at INTEGER NOT NULL, deleted INTEGER NOT NULL,
	cause BLOB NOT NULL,
	document BLOB -- compressed
);
INSERT INTO qrie_chain (n, before, rid, version, observed_at, deleted, cause, document)
	SELECT n, coalesce((SELECT o.n FROM qrie_versions o WHERE o.rid = v.rid AND o.version < v.version ORDER BY o.version DESC LIMIT 1), 0),
		rid, version, observed_at, deleted, cause, document FROM qrie_versions v ORDER BY n;
DROP TABLE qrie_versions;
ALTER TABLE qrie_chain RENAME TO qrie_versions;
`, `
-- The marks of planned looks. The row of the resource names the newest and how many
-- there are, each the one before it, and the first none (0). Where none is planned,
-- the row names what is gone.
CREATE TABLE qrie_looks (n INTEGER PRIMARY KEY, before INTEGER NOT NULL, marks BLOB NOT NULL);
INSERT INTO qrie_looks (n, before, marks) SELECT n, 0, again FROM qrie_resources WHERE again_at > 0 ORDER BY n;
ALTER TABLE qrie_resources ADD COLUMN look INTEGER NOT NULL DEFAULT 0;
ALTER TABLE qrie_resources ADD COLUMN looks INTEGER NOT NULL DEFAULT 0;
UPDATE qrie_resources SET look = n, looks = 1 WHERE again_at > 0;
ALTER TABLE qrie_resources DROP COLUMN again;
`, `
-- The first of the versions whose events a planned look is about, 0 for none; of those,
-- when one look shows all that they did, and since when it is planned.
ALTER TABLE qrie_resources ADD COLUMN again_from INTEGER NOT NULL DEFAULT 0;
ALTER TABLE qrie_resources ADD COLUMN again_settles INTEGER NOT NULL DEFAULT 0;
ALTER TABLE qrie_resources ADD COLUMN again_since INTEGER NOT NULL DEFAULT 0;
`}
