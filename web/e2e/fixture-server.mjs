// Serves the built application and a made-up organisation, so that pages can
// be developed and tested without the real server: test only. It sends the
// same content security policy as the server does.
//   node e2e/fixture-server.mjs [port]    FIXTURE_LOGIN=code asks for a login
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { extname, join } from "node:path";
import {
  accounts,
  ago,
  build,
  causeOf,
  documentOf,
  findingOf,
  label,
  pointersOf,
  policies,
  random,
  services,
} from "./fixture-data.mjs";

const dist = new URL("../dist/", import.meta.url).pathname;
const csp =
  "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";
const media = {
  ".html": "text/html",
  ".js": "text/javascript",
  ".css": "text/css",
  ".svg": "image/svg+xml",
  ".woff2": "font/woff2",
  ".json": "application/json",
};

const { resources, findings } = build();
const r = random(99);
const now = () => new Date().toISOString();
const jobs = [
  {
    id: "j_inventory1",
    kind: "inventory",
    scope: "all accounts",
    reason: "scheduled",
    state: "done",
    started: ago(7900),
    finished: ago(7800),
    pages: 96,
    done: 96,
    items: 260,
    failed: 0,
  },
  {
    id: "j_policy1",
    kind: "policy",
    scope: "all policies",
    reason: "scheduled",
    state: "failed",
    started: ago(90000),
    finished: ago(89000),
    pages: 40,
    done: 38,
    items: 210,
    failed: 2,
    error: "account 111122293940: AssumeRole was denied",
  },
];
const clients = new Set();
let seq = 1000;
let requests = 0;

const changes = [
  {
    id: "s3-public",
    title: "Open a bucket to everyone",
    resource_type: "AWS::S3::Bucket",
    bad: true,
  },
  {
    id: "rds-public",
    title: "Make a database public",
    resource_type: "AWS::RDS::DBInstance",
    bad: true,
  },
  { id: "s3-close", title: "Close an open bucket", resource_type: "AWS::S3::Bucket", bad: false },
];

const transitionOf = (f, kind, at, cause = f.cause) => ({
  id: `t_${f.id.slice(2)}_${kind}_${++seq}`,
  seq,
  kind,
  finding: f.id,
  arn: f.arn,
  resource_id: f.resource_id,
  resource_name: f.resource_name,
  resource_type: f.resource_type,
  policy: f.policy,
  policy_title: f.policy_title,
  account_id: f.account_id,
  account_name: f.account_name,
  service: f.service,
  region: f.region,
  severity: f.severity,
  severity_label: f.severity_label,
  summary: f.summary,
  cause,
  at,
  ...(kind === "resolved" ? { resolution: f.resolution } : {}),
  ...(cause.attribution === "exact" ? { detected_in_ms: 1400 + (seq % 7) * 900 } : {}),
});
const history = findings
  .flatMap((f) => [
    transitionOf(f, "opened", f.opened_at),
    ...(f.state === "RESOLVED" ? [transitionOf(f, "resolved", f.resolved_at)] : []),
  ])
  .sort((a, b) => a.at.localeCompare(b.at));

function emit(f, kind, cause) {
  const t = transitionOf(f, kind, now(), cause);
  history.push(t);
  for (const client of clients)
    client.write(`id: ${t.seq}\nevent: transition\ndata: ${JSON.stringify(t)}\n\n`);
}

const counts = (p) => {
  const all = resources.filter((x) => x.resource_type === p.resource_type);
  const failing = findings.filter((f) => f.policy === p.policy_id && f.state === "ACTIVE").length;
  const unknown = all.filter((x) => x.missing.length > 0).length;
  if (p.status === "available")
    return { open_findings: 0, passing: 0, failing: 0, unknown: 0, in_scope: 0 };
  return {
    open_findings: failing,
    failing,
    unknown,
    in_scope: all.length,
    passing: all.length - failing - unknown,
  };
};
const policyOut = ({ share: _, ...p }) => ({ ...p, ...counts(p) });
const resourceOut = ({ cause: _, ...x }) => {
  const open = findings.filter((f) => f.resource_id === x.id && f.state === "ACTIVE");
  const worst = Math.max(-1, ...open.map((f) => f.severity));
  return {
    ...x,
    open_findings: open.length,
    ...(worst >= 0 ? { worst_severity: worst, severity_label: label(worst) } : {}),
  };
};

class Problem extends Error {
  constructor(status, title, detail, errors) {
    super(title);
    Object.assign(this, { status, title, detail, errors });
  }
}
const missing = () => new Problem(404, "Not found", "There is no such thing.");

function page(list, query, name) {
  const size = Number(query.page_size ?? 50);
  const from = Number(query.next_token ?? 0);
  const rest = from + size < list.length;
  return {
    [name]: list.slice(from, from + size),
    ...(rest ? { next_token: String(from + size) } : {}),
    meta: { total: list.length, total_exact: true, as_of: now() },
  };
}
const has = (query, name, value) =>
  query[name] === undefined || query[name].split(",").includes(String(value));
const textual = (query, ...texts) =>
  query.q === undefined || texts.some((t) => t.toLowerCase().includes(query.q.toLowerCase()));
const sinceMs = (text) =>
  Number.parseInt(text, 10) * { s: 1e3, m: 6e4, h: 36e5, d: 864e5 }[text.at(-1)];

const selectFindings = (q) =>
  findings
    .filter(
      (f) =>
        has(q, "state", f.state) &&
        has(q, "severity", f.severity_label) &&
        has(q, "policy", f.policy) &&
        has(q, "account", f.account_id) &&
        has(q, "service", f.service) &&
        has(q, "region", f.region) &&
        has(q, "type", f.resource_type) &&
        has(q, "resource", f.resource_id) &&
        textual(q, f.arn, f.resource_name, f.policy_title) &&
        (q.opened_since === undefined ||
          Date.parse(f.opened_at) > Date.now() - sinceMs(q.opened_since)),
    )
    .sort((a, b) => b.severity - a.severity || b.opened_at.localeCompare(a.opened_at));

function summary(q) {
  const list = selectFindings({ ...q, state: undefined });
  const open = list.filter((f) => f.state === "ACTIVE");
  const band = (b) => open.filter((f) => f.severity_label === b).length;
  return {
    total_findings: list.length,
    open_findings: open.length,
    resolved_findings: list.length - open.length,
    critical_findings: band("critical"),
    high_findings: band("high"),
    medium_findings: band("medium"),
    low_findings: band("low"),
    informational_findings: band("informational"),
    policies: policies
      .filter(
        (p) =>
          p.status !== "available" &&
          has(q, "severity", p.severity_label) &&
          has(q, "service", p.service),
      )
      .map((p) => {
        const own = list.filter((f) => f.policy === p.policy_id);
        const active = own.filter((f) => f.state === "ACTIVE");
        const c = counts(p);
        return {
          policy: p.policy_id,
          title: p.title,
          service: p.service,
          severity: p.severity,
          severity_label: p.severity_label,
          status: p.status,
          total_findings: own.length,
          open_findings: active.length,
          resolved_findings: own.length - active.length,
          failing: active.length,
          in_scope: c.in_scope,
          unknown: c.unknown,
          accounts: new Set(active.map((f) => f.account_id)).size,
          ...(active.length > 0
            ? {
                last_opened_at: active
                  .map((f) => f.opened_at)
                  .sort()
                  .at(-1),
              }
            : {}),
        };
      })
      .sort((a, b) => b.severity - a.severity || b.open_findings - a.open_findings),
    as_of: now(),
  };
}

function dashboard() {
  const s = summary({});
  const weeks = [0, 1, 2, 3, 4, 5, 6, 7].map((i) => {
    const open = [61, 74, 92, 88, 97, 84, 79, s.open_findings][i];
    return {
      week_start: ago((7 - i) * 7 * 86400 + 86400).slice(0, 10),
      total_findings: 80 + i * 14,
      open_findings: open,
      new_findings: [14, 21, 27, 12, 19, 8, 11, 9][i],
      closed_findings: [6, 8, 9, 16, 10, 21, 16, 12][i],
      critical_new: [2, 3, 4, 1, 2, 0, 1, 2][i],
      is_current: i === 7,
    };
  });
  return {
    total_open_findings: s.open_findings,
    critical_open_findings: s.critical_findings,
    high_open_findings: s.high_findings,
    resolved_this_month: 31,
    active_policies: policies.filter((p) => p.status === "active").length,
    resources: resources.length,
    accounts: accounts.length,
    findings_weekly: weeks,
    top_policies: [],
    policies_launched_this_month: 2,
    anti_entropy: {
      last_inventory_scan: { scan_id: "j_inventory1", timestamp_ms: Date.now() - 7800e3 },
      last_policy_scan: { scan_id: "j_policy1", timestamp_ms: Date.now() - 89000e3 },
      drift_detected: false,
    },
    generated_at: ago(540),
    age_seconds: 540,
    stale: false,
    open_by_severity: [],
    coverage: {
      accounts: accounts.length,
      resources: resources.length,
      evaluated: 702,
      unknown: 11,
    },
    top_accounts: accounts
      .map((a) => {
        const own = findings.filter((f) => f.account_id === a.account_id && f.state === "ACTIVE");
        return {
          account_id: a.account_id,
          account_name: a.name,
          open_findings: own.length,
          critical: own.filter((f) => f.severity >= 90).length,
          high: own.filter((f) => f.severity >= 70 && f.severity < 90).length,
        };
      })
      .sort((a, b) => b.critical - a.critical || b.open_findings - a.open_findings),
    score: {
      value: 81.4,
      note: "Pass shares of 9 policies over 12 accounts, weighted by severity",
    },
  };
}

const versionsOf = (x) => [
  { version: 3, observed_at: x.changed_at, deleted: false, cause: x.cause },
  {
    version: 2,
    observed_at: ago(21 * 86400),
    deleted: false,
    cause: causeOf(random(5), x, 21 * 86400, 0.5),
  },
  {
    version: 1,
    observed_at: x.first_seen,
    deleted: false,
    cause: { attribution: "unknown", events: [], before: x.first_seen, note: "found by scan" },
  },
];
const configurationOf = (x, version) => {
  const bad = findings.some((f) => f.resource_id === x.id && f.state === "ACTIVE");
  const document = documentOf(x, bad && version === 3);
  if (version === 1) document.Tags = document.Tags.slice(0, 1);
  return document;
};

function findingDetail(f) {
  const x = resources.find((each) => each.id === f.resource_id);
  const p = policies.find((each) => each.policy_id === f.policy);
  return {
    ...f,
    evidence: {
      violations: [
        x.resource_type === "AWS::S3::Bucket"
          ? { statement: "PublicRead", principal: "*", action: "s3:GetObject" }
          : { member: "PubliclyAccessible" },
      ],
      pointers: pointersOf(x),
      total: 1,
    },
    document: configurationOf(x, 3),
    document_observed_at: x.observed_at,
    resource_deleted: false,
    policy_detail: {
      description: p.description,
      risk: p.risk,
      category: p.category,
      frameworks: p.frameworks,
      params: {},
    },
    remediation: {
      text: p.remediation,
      console: [
        `Open ${x.name} in the S3 console.`,
        "Under Permissions, turn on Block all public access.",
        "Remove the statement PublicRead from the bucket policy.",
      ],
      cli: `aws s3api put-public-access-block --bucket ${x.name} \\\n  --public-access-block-configuration BlockPublicAcls=true,IgnorePublicAcls=true,BlockPublicPolicy=true,RestrictPublicBuckets=true`,
      terraform: `resource "aws_s3_bucket_public_access_block" "this" {\n  bucket                  = "${x.name}"\n  block_public_policy     = true\n  restrict_public_buckets = true\n}`,
      ...(p.remediation_override ? { override: p.remediation_override } : {}),
    },
    console_url: `https://console.aws.amazon.com/go/view?arn=${encodeURIComponent(x.arn)}`,
    timeline: history.filter((t) => t.finding === f.id).reverse(),
    other_findings: findings.filter(
      (o) => o.resource_id === x.id && o.id !== f.id && o.state === "ACTIVE",
    ),
    ...(f.state === "RESOLVED" ? { resolved_cause: causeOf(random(3), x, 600, 0.5) } : {}),
  };
}

function resourceDetail(x) {
  const own = findings.filter((f) => f.resource_id === x.id);
  return {
    ...resourceOut(x),
    configuration: configurationOf(x, 3),
    version: 3,
    cause: x.cause,
    findings: own,
    versions: versionsOf(x),
    verdicts: policies
      .filter((p) => p.status !== "available" && p.resource_type === x.resource_type)
      .map((p) => {
        const f = own.find((each) => each.policy === p.policy_id && each.state === "ACTIVE");
        const outcome = f ? "fail" : x.missing.length > 0 ? "unknown" : "pass";
        return {
          policy: p.policy_id,
          policy_title: p.title,
          outcome,
          severity: p.severity,
          severity_label: p.severity_label,
          ...(outcome === "unknown"
            ? { reason: "Policy could not be read: AccessDenied. It needs s3:GetBucketPolicy." }
            : {}),
          ...(f ? { finding_id: f.id } : {}),
        };
      }),
  };
}

function startJob(p, reason) {
  const job = {
    id: `j_${(jobs.length + 1).toString(36)}${p.policy_id.toLowerCase()}`,
    kind: "policy",
    scope: p.policy_id,
    reason,
    state: "running",
    started: now(),
    pages: 4,
    done: 0,
    items: 0,
    failed: 0,
  };
  jobs.unshift(job);
  const timer = setInterval(() => {
    job.done++;
    job.items += 40;
    if (job.done === job.pages) {
      Object.assign(job, { state: "done", finished: now() });
      clearInterval(timer);
    }
  }, 400);
  return job.id;
}

function judge(p) {
  for (const x of resources.filter((each) => each.resource_type === p.resource_type)) {
    if (r() > 0.1 || findings.some((f) => f.resource_id === x.id && f.policy === p.policy_id))
      continue;
    const f = {
      ...findingOf(
        p,
        x,
        0,
        { attribution: "unknown", events: [], before: now(), note: "policy launched" },
        `f_${Math.floor(r() * 2 ** 52).toString(36)}`,
      ),
      opened_at: now(),
      first_seen: now(),
    };
    findings.push(f);
    emit(f, "opened", f.cause);
  }
}

function guard(p, headers) {
  const tag = headers["if-match"];
  if (tag === undefined)
    throw new Problem(428, "Precondition required", "Send If-Match with the ETag of the policy.");
  if (tag !== `"g${p.generation}"`)
    throw new Problem(412, "Precondition failed", "The policy was changed by somebody else.");
}

function checkParams(p, params = {}) {
  for (const [name, value] of Object.entries(params)) {
    const param = p.params.find((each) => each.name === name);
    if (!param)
      throw new Problem(422, "Unprocessable", "A parameter is not known.", [
        { location: `body.params.${name}`, message: "no such parameter" },
      ]);
    param.value = value;
  }
}

function change(id) {
  const c = changes.find((each) => each.id === id);
  if (!c) throw missing();
  const p = policies.find(
    (each) => each.policy_id === (id.startsWith("rds") ? "RDSPublicAccess" : "S3BucketPublic"),
  );
  const of = (state) => findings.find((f) => f.policy === p.policy_id && f.state === state);
  const x = c.bad
    ? resources.find(
        (each) =>
          each.resource_type === c.resource_type &&
          !findings.some((f) => f.resource_id === each.id && f.policy === p.policy_id),
      )
    : resources.find((each) => each.id === of("ACTIVE").resource_id);
  const cause = causeOf(r, x, 0, 0);
  cause.events[0].time = now();
  const event = cause.events[0];
  setTimeout(() => {
    if (c.bad) {
      const f = {
        ...findingOf(p, x, 0, cause, `f_${Math.floor(r() * 2 ** 52).toString(36)}`),
        opened_at: now(),
        first_seen: now(),
      };
      Object.assign(x, { changed_at: now(), observed_at: now(), cause });
      findings.push(f);
      emit(f, "opened", cause);
    } else {
      const f = of("ACTIVE");
      Object.assign(f, { state: "RESOLVED", resolution: "fixed", resolved_at: now() });
      emit(f, "resolved", cause);
    }
  }, 900);
  return {
    arn: x.arn,
    resource_id: x.id,
    event_name: event.name,
    event_id: event.id,
    actor: event.actor.name,
  };
}

const routes = [
  [
    "GET",
    "/meta",
    () => ({
      version: "0.1.0-fixture",
      demo: true,
      login: false,
      role: process.env.FIXTURE_ROLE ?? "admin",
      severity_bands: [],
      started_at: ago(7200),
    }),
  ],
  [
    "GET",
    "/accounts",
    () =>
      accounts.map((a) => ({
        ...a,
        open_findings: findings.filter((f) => f.account_id === a.account_id && f.state === "ACTIVE")
          .length,
        resources: resources.filter((x) => x.account_id === a.account_id).length,
      })),
  ],
  ["GET", "/services", () => services],
  ["GET", "/findings", (_, q) => page(selectFindings(q), q, "findings")],
  ["GET", "/findings/:id", ([id]) => findingDetail(findings.find((f) => f.id === id) ?? fail())],
  [
    "GET",
    "/resources",
    (_, q) =>
      page(
        resources
          .map(resourceOut)
          .filter(
            (x) =>
              has(q, "account", x.account_id) &&
              has(q, "service", x.service) &&
              has(q, "type", x.resource_type) &&
              has(q, "region", x.region) &&
              (q.failing === undefined || x.open_findings > 0 === (q.failing === "true")) &&
              textual(q, x.name, x.arn),
          )
          .sort((a, b) => b.changed_at.localeCompare(a.changed_at)),
        q,
        "resources",
      ),
  ],
  ["GET", "/resources/:id", ([id]) => resourceDetail(resources.find((x) => x.id === id) ?? fail())],
  [
    "GET",
    "/resources/:id/history",
    ([id]) => ({ versions: versionsOf(resources.find((x) => x.id === id) ?? fail()) }),
  ],
  [
    "GET",
    "/resources/:id/history/:version",
    ([id, v]) => {
      const x = resources.find((each) => each.id === id) ?? fail();
      return {
        ...versionsOf(x).find((each) => each.version === Number(v)),
        configuration: configurationOf(x, Number(v)),
      };
    },
  ],
  ["GET", "/policies", () => policies.map(policyOut)],
  [
    "GET",
    "/policies/:id",
    ([id], _, __, answer) => {
      const p = policies.find((each) => each.policy_id === id) ?? fail();
      answer.setHeader("ETag", `"g${p.generation}"`);
      return {
        ...policyOut(p),
        source: `id: ${p.policy_id}\ntitle: ${p.title}\nseverity: ${p.default_severity}\nresource: ${p.resource_type}\nviolations: |\n  resource.policy.statements.filter(s, s.public)\n`,
        console: [],
        cli: "",
        terraform: "",
      };
    },
  ],
  [
    "POST",
    "/policies",
    (_, __, body) => {
      const p = policies.find((each) => each.policy_id === body.policy_id) ?? fail();
      if (p.status !== "available")
        throw new Problem(409, "Conflict", "The policy is launched already.");
      checkParams(p, body.params);
      Object.assign(p, {
        status: "active",
        generation: 1,
        created_at: now(),
        updated_at: now(),
        remediation_override: body.remediation ?? "",
      });
      if (body.scope) p.scope = body.scope;
      if (body.severity !== undefined)
        Object.assign(p, { severity: body.severity, severity_label: label(body.severity) });
      setTimeout(() => judge(p), 800);
      return {
        message: "launched",
        policy_id: p.policy_id,
        generation: 1,
        bootstrap_scan_triggered: true,
        job_id: startJob(p, "launch"),
      };
    },
  ],
  [
    "PUT",
    "/policies/:id",
    ([id], _, body, __, headers) => {
      const p = policies.find((each) => each.policy_id === id) ?? fail();
      guard(p, headers);
      checkParams(p, body.params);
      if (body.status) p.status = body.status;
      if (body.scope) p.scope = body.scope;
      if (body.severity !== undefined) p.severity = body.severity ?? p.default_severity;
      p.severity_label = label(p.severity);
      if (body.remediation !== undefined) p.remediation_override = body.remediation;
      p.generation++;
      p.updated_at = now();
      return {
        message: "saved",
        generation: p.generation,
        ...(body.status === "suspended" ? {} : { job_id: startJob(p, "edit") }),
      };
    },
  ],
  [
    "DELETE",
    "/policies/:id",
    ([id], _, __, ___, headers) => {
      const p = policies.find((each) => each.policy_id === id) ?? fail();
      guard(p, headers);
      const own = findings.filter((f) => f.policy === id && f.state === "ACTIVE");
      for (const f of own) {
        Object.assign(f, { state: "RESOLVED", resolution: "policy_deleted", resolved_at: now() });
        emit(f, "resolved", { attribution: "unknown", events: [], note: "policy deleted" });
      }
      Object.assign(p, { status: "available", generation: 0 });
      return { message: "deleted", findings_deleted: own.length };
    },
  ],
  ["GET", "/summary/dashboard", dashboard],
  ["GET", "/summary/findings", (_, q) => summary(q)],
  [
    "GET",
    "/changes",
    (_, q) => ({
      transitions: [...history].reverse().slice(0, Number(q.limit ?? 50)),
      newest: seq,
    }),
  ],
  ["GET", "/jobs", () => ({ jobs })],
  [
    "GET",
    "/system",
    () => ({
      stream: {
        shards: [0, 1, 2, 3].map((i) => ({
          id: `shard-000${i}`,
          state: i === 2 ? "closed" : "open",
          owner: ["worker-1", "worker-2", "worker-2", ""][i],
          epoch: 4 + i,
          checkpoint: `49635${i}1187`,
          lag_seconds: [0.4, 1.2, 2.1, 0.2][i],
          behind: [0, 3, 11, 0][i],
        })),
        troubles: [
          { kind: "unowned", shard: "shard-0003", text: "nobody has owned shard-0003 for 45s" },
        ],
      },
      dirty: { count: 14, oldest: ago(2) },
      deliveries: { pending: 0, dead: 2 },
      dead_letters: 3,
      events_per_second: 18.4,
      lag_seconds: 2.1,
    }),
  ],
  ["GET", "/demo/changes", () => changes],
  ["POST", "/demo/changes", (_, __, body) => change(body.id)],
  [
    "POST",
    "/login",
    (_, __, body, answer) => {
      if (body.code !== process.env.FIXTURE_LOGIN)
        throw new Problem(401, "Unauthorized", "The code is wrong.");
      answer.setHeader("Set-Cookie", "session=fixture; HttpOnly; SameSite=Lax; Path=/");
      return undefined;
    },
  ],
];
function fail() {
  throw missing();
}

async function api(request, answer, path, query) {
  answer.setHeader("X-Request-Id", `req-${++requests}`);
  const open = path === "/login" || path === "/meta";
  const loggedIn =
    !process.env.FIXTURE_LOGIN || request.headers.cookie?.includes("session=fixture");
  if (!loggedIn && !open) throw new Problem(401, "Unauthorized", "Log in first.");
  if (path === "/stream") return stream(request, answer);
  for (const [method, pattern, handle] of routes) {
    const match = new RegExp(`^${pattern.replaceAll(/:\w+/g, "([^/]+)")}$`).exec(path);
    if (method !== request.method || !match) continue;
    let text = "";
    for await (const chunk of request) text += chunk;
    const body = handle(
      match.slice(1),
      query,
      text ? JSON.parse(text) : {},
      answer,
      request.headers,
    );
    if (path === "/meta" && !loggedIn) Object.assign(body, { login: true, role: undefined });
    answer.setHeader("Content-Type", "application/json");
    answer.statusCode =
      body === undefined ? 204 : method === "POST" && path === "/policies" ? 201 : 200;
    answer.end(body === undefined ? undefined : JSON.stringify(body));
    return;
  }
  throw missing();
}

function stream(request, answer) {
  answer.writeHead(200, { "Content-Type": "text/event-stream", "Cache-Control": "no-store" });
  answer.write(`event: hello\ndata: ${JSON.stringify({ newest: seq, version: "fixture" })}\n\n`);
  clients.add(answer);
  request.on("close", () => clients.delete(answer));
}

async function file(answer, path) {
  const name = extname(path) ? path : "/index.html";
  try {
    const data = await readFile(join(dist, name));
    answer.setHeader("Content-Type", media[extname(name)] ?? "application/octet-stream");
    answer.end(data);
  } catch {
    answer.writeHead(404).end();
  }
}

export function start(port = 0) {
  const server = createServer((request, answer) => {
    const url = new URL(request.url, "http://fixture");
    answer.setHeader("Content-Security-Policy", csp);
    answer.setHeader("X-Content-Type-Options", "nosniff");
    const work = url.pathname.startsWith("/api/v1/")
      ? api(request, answer, url.pathname.slice(7), Object.fromEntries(url.searchParams))
      : file(answer, url.pathname);
    work.catch((error) => {
      const status = error.status ?? 500;
      if (status === 500) console.error(error);
      answer.writeHead(status, { "Content-Type": "application/problem+json" });
      answer.end(
        JSON.stringify({
          type: "/problems/x",
          title: error.title ?? "Internal error",
          status,
          detail: error.detail ?? error.message,
          request_id: `req-${requests}`,
          errors: error.errors,
        }),
      );
    });
  });
  return new Promise((resolve) => {
    server.listen(port, "127.0.0.1", () =>
      resolve({
        url: `http://127.0.0.1:${server.address().port}`,
        close: () => {
          server.closeAllConnections();
          server.close();
        },
      }),
    );
  });
}

if (import.meta.url === `file://${process.argv[1]}`) {
  const { url } = await start(Number(process.argv[2] ?? 8099));
  console.log(`fixture server at ${url}`);
}
