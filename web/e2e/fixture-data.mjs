// A small made-up organisation in the shapes of the API, for developing and
// testing the pages without the server. Nothing of it is in the product.

const started = Date.now();
export const ago = (seconds) => new Date(started - seconds * 1000).toISOString();
const hour = 3600;
const day = 24 * hour;

export function random(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

export const label = (n) =>
  n >= 90 ? "critical" : n >= 70 ? "high" : n >= 40 ? "medium" : n >= 1 ? "low" : "informational";

const words = [
  "prod",
  "staging",
  "dev",
  "sandbox",
  "security",
  "logs",
  "network",
  "shared",
  "data",
  "ml",
  "billing",
  "web",
];
export const accounts = words.map((name, i) => ({
  account_id: String(111122223333 + i * 10101),
  name,
  ou: i < 3 ? `/workloads/${name}` : i < 8 ? "/platform" : "/workloads/prod",
  tags: { env: i === 0 || i > 8 ? "prod" : name },
  regions: i % 3 === 0 ? ["eu-west-1", "us-east-1"] : ["eu-west-1", "us-east-1", "us-west-2"],
  health: i === 2 ? "role_denied" : "ok",
  conditions:
    i === 2
      ? [
          {
            state: "role_denied",
            reason: "sts:AssumeRole: not authorized",
            action: "sts:AssumeRole",
            since: "2026-03-18T09:00:00Z",
          },
        ]
      : [],
}));

const types = [
  ["s3", "S3", "AWS::S3::Bucket", "S3 bucket"],
  ["iam", "IAM", "AWS::IAM::User", "IAM user"],
  ["iam", "IAM", "AWS::IAM::ManagedPolicy", "IAM policy"],
  ["ec2", "EC2", "AWS::EC2::Instance", "EC2 instance"],
  ["ec2", "EC2", "AWS::EC2::SecurityGroup", "Security group"],
  ["rds", "RDS", "AWS::RDS::DBInstance", "RDS instance"],
  ["account", "Account", "AWS::Account", "Account"],
];
export const titleOf = Object.fromEntries(types.map(([, , name, title]) => [name, title]));
export const services = [...new Set(types.map((t) => t[0]))].map((service) => ({
  service_name: service,
  display_name: types.find((t) => t[0] === service)[1],
  resource_types: types
    .filter((t) => t[0] === service)
    .map(([, , name, title]) => ({ name, title })),
}));

const policy = (policy_id, severity, title, resource_type, status, share, more = {}) => ({
  policy_id,
  title,
  severity,
  default_severity: severity,
  severity_label: label(severity),
  resource_type,
  service: types.find((t) => t[2] === resource_type)[0],
  status,
  share,
  category: "data protection",
  description: `Checks every ${titleOf[resource_type]} in scope. ${title} when it fails.`,
  risk: "Anyone on the internet can read what is stored here, without any credential.",
  remediation:
    "Block public access on the bucket, then remove the statement that allows everyone.\n\n- Read the access log first: somebody may rely on it.\n- Share single objects by **presigned URL** instead.",
  remediation_override: "",
  frameworks: { "CIS AWS 3.0": ["2.1.4"], "NIST 800-53": ["AC-3", "SC-7"] },
  params: [],
  uses_clock: false,
  scope: {
    include_accounts: [],
    exclude_accounts: [],
    include_tags: {},
    exclude_tags: {},
    include_ou_paths: [],
    exclude_ou_paths: [],
  },
  generation: status === "available" ? 0 : 3,
  ...(status === "available" ? {} : { created_at: ago(40 * day), updated_at: ago(6 * day) }),
  ...more,
});

export const policies = [
  policy(
    "S3BucketPublic",
    92,
    "S3 bucket allows public read via bucket policy",
    "AWS::S3::Bucket",
    "active",
    0.12,
  ),
  policy(
    "RDSPublicAccess",
    95,
    "RDS instance is publicly accessible",
    "AWS::RDS::DBInstance",
    "active",
    0.2,
  ),
  policy("IAMRootAccountActive", 95, "Root user is in use", "AWS::Account", "active", 0.1, {
    uses_clock: true,
  }),
  policy(
    "IAMPolicyOverlyPermissive",
    80,
    "IAM policy grants full administration",
    "AWS::IAM::ManagedPolicy",
    "active",
    0.15,
  ),
  policy(
    "EC2SecurityGroupOpenToWorld",
    75,
    "Security group opens SSH to 0.0.0.0/0",
    "AWS::EC2::SecurityGroup",
    "active",
    0.25,
    {
      params: [
        {
          name: "ports",
          type: "list(int)",
          help: "Ports that must not be open to the world",
          default: [22, 3389],
          value: [22, 3389],
          min: 0,
          max: 65535,
        },
      ],
    },
  ),
  policy(
    "IAMUserMfaDisabled",
    85,
    "IAM user signs in without MFA",
    "AWS::IAM::User",
    "active",
    0.2,
  ),
  policy(
    "EC2UnencryptedEBS",
    70,
    "EBS volume is not encrypted",
    "AWS::EC2::Instance",
    "suspended",
    0.2,
  ),
  policy(
    "IAMAccessKeyNotRotated",
    68,
    "IAM access key is older than 90 days",
    "AWS::IAM::User",
    "active",
    0.4,
    {
      uses_clock: true,
      params: [
        {
          name: "max_age_days",
          type: "int",
          help: "Days a key may be used",
          default: 90,
          value: 60,
          min: 1,
          max: 3650,
        },
      ],
    },
  ),
  policy(
    "S3BucketVersioningDisabled",
    35,
    "S3 bucket versioning is disabled",
    "AWS::S3::Bucket",
    "active",
    0.45,
    {
      scope: {
        include_accounts: [],
        exclude_accounts: [accounts[3].account_id],
        include_tags: { env: ["prod"] },
        exclude_tags: {},
        include_ou_paths: [],
        exclude_ou_paths: [],
      },
    },
  ),
  policy(
    "S3BucketEncryptionDisabled",
    90,
    "S3 bucket is not encrypted",
    "AWS::S3::Bucket",
    "available",
    0,
  ),
  policy(
    "S3BucketMfaDeleteDisabled",
    70,
    "S3 bucket can be emptied without MFA",
    "AWS::S3::Bucket",
    "available",
    0,
  ),
];

const people = [
  {
    kind: "pipeline",
    name: "deploy-bot",
    type: "AssumedRole",
    role: "ci-deployer",
    via: "OIDC",
    tool: "Terraform 1.14",
  },
  {
    kind: "human",
    name: "alice",
    type: "AssumedRole",
    role: "PowerUser",
    via: "SSO",
    identity: "alice@example.com",
    tool: "console",
  },
  {
    kind: "human",
    name: "marc",
    type: "AssumedRole",
    role: "Developer",
    via: "SSO",
    tool: "AWS CLI 2.17",
  },
  { kind: "root", name: "root", type: "Root", tool: "console" },
];
const calls = {
  "AWS::S3::Bucket": ["PutBucketPolicy", "s3.amazonaws.com"],
  "AWS::RDS::DBInstance": ["ModifyDBInstance", "rds.amazonaws.com"],
  "AWS::EC2::SecurityGroup": ["AuthorizeSecurityGroupIngress", "ec2.amazonaws.com"],
  "AWS::EC2::Instance": ["RunInstances", "ec2.amazonaws.com"],
  "AWS::IAM::User": ["CreateAccessKey", "iam.amazonaws.com"],
  "AWS::IAM::ManagedPolicy": ["CreatePolicyVersion", "iam.amazonaws.com"],
  "AWS::Account": ["ConsoleLogin", "signin.amazonaws.com"],
};

const hex = (r, n) => Array.from({ length: n }, () => Math.floor(r() * 16).toString(16)).join("");
const id32 = (r, n) =>
  Array.from({ length: n }, () => "abcdefghijklmnopqrstuvwxyz234567"[Math.floor(r() * 32)]).join(
    "",
  );

export function causeOf(r, resource, at, kind = r()) {
  const [name, source] = calls[resource.resource_type];
  const event = (person, seconds) => ({
    id: `${hex(r, 8)}-${hex(r, 4)}-4${hex(r, 3)}-a${hex(r, 3)}-${hex(r, 12)}`,
    name,
    source,
    account: resource.account_id,
    region: resource.region,
    time: ago(at + seconds),
    arrived: ago(at + 2),
    source_ip: `203.0.113.${Math.floor(r() * 250)}`,
    user_agent: "",
    actor: people[person],
  });
  if (kind < 0.7)
    return { attribution: "exact", events: [event(kind < 0.4 ? 0 : kind < 0.55 ? 1 : 2, 8)] };
  if (kind < 0.8) return { attribution: "ambiguous", events: [event(0, 8), event(2, 31)] };
  return {
    attribution: "unknown",
    events: [],
    after: ago(at + 6 * hour),
    before: ago(at),
    note: "found by scan",
  };
}

const stems = [
  "billing-exports",
  "mkt-assets",
  "ml-datasets",
  "audit-logs",
  "web-static",
  "checkout",
  "invoices",
  "backups",
  "telemetry",
  "model-store",
  "reports",
  "partner-drop",
];

export function build() {
  const r = random(7);
  const resources = [];
  for (let i = 0; i < 260; i++) {
    const [service, , type, title] = types[i < accounts.length ? 6 : Math.floor(r() * r() * 6)];
    const account =
      i < accounts.length ? accounts[i] : accounts[Math.floor(r() * r() * accounts.length)];
    const region =
      type.includes("IAM") || type === "AWS::Account"
        ? "us-east-1"
        : account.regions[Math.floor(r() * account.regions.length)];
    const stem = `${account.name}-${stems[Math.floor(r() * stems.length)]}`;
    const name =
      type === "AWS::EC2::Instance"
        ? `i-0${hex(r, 16)}`
        : type === "AWS::EC2::SecurityGroup"
          ? `sg-0${hex(r, 16)}`
          : type === "AWS::Account"
            ? account.account_id
            : type === "AWS::IAM::User"
              ? `${["svc", "ops", "dev"][i % 3]}-${stems[i % stems.length]}`
              : `${stem}-${i}`;
    const arn =
      type === "AWS::S3::Bucket"
        ? `arn:aws:s3:::${name}`
        : type === "AWS::IAM::User"
          ? `arn:aws:iam::${account.account_id}:user/${name}`
          : type === "AWS::IAM::ManagedPolicy"
            ? `arn:aws:iam::${account.account_id}:policy/${name}`
            : type === "AWS::Account"
              ? `arn:aws:iam::${account.account_id}:root`
              : type === "AWS::RDS::DBInstance"
                ? `arn:aws:rds:${region}:${account.account_id}:db:${name}`
                : `arn:aws:ec2:${region}:${account.account_id}:${type.endsWith("Instance") ? "instance" : "security-group"}/${name}`;
    const changed = Math.floor(r() ** 3 * 60 * day) + 40;
    const resource = {
      id: `r_${id32(r, 16)}`,
      arn,
      name,
      account_id: account.account_id,
      account_name: account.name,
      account_service: `${account.account_id}_${service}`,
      service,
      resource_type: type,
      type_title: title,
      region,
      last_seen_at: ago(3 * hour),
      observed_at: ago(Math.min(changed, 3 * hour)),
      changed_at: ago(changed),
      first_seen: ago(80 * day),
      deleted: false,
      missing:
        r() < 0.04
          ? [{ member: "Policy", code: "AccessDenied", action: "s3:GetBucketPolicy" }]
          : [],
      tags: { env: account.tags.env, owner: ["payments", "platform", "growth"][i % 3] },
    };
    resource.cause = causeOf(r, resource, changed);
    resources.push(resource);
  }
  const findings = [];
  for (const p of policies) {
    for (const resource of resources.filter((x) => x.resource_type === p.resource_type)) {
      if (p.status === "available" || resource.missing.length > 0 || r() > p.share) continue;
      const first = findings.length === 0;
      const opened = first ? 8 : Math.floor(r() ** 3 * 45 * day) + 60;
      findings.push(
        findingOf(
          p,
          resource,
          opened,
          causeOf(r, resource, opened, first ? 0 : undefined),
          `f_${id32(r, 16)}`,
        ),
      );
    }
  }
  for (let i = 5; i < findings.length; i += 11) {
    Object.assign(findings[i], {
      state: "RESOLVED",
      resolution: i % 2 ? "fixed" : "resource_deleted",
      resolved_at: ago(600 * i),
    });
  }
  return { resources, findings };
}

export function findingOf(p, resource, opened, cause, id) {
  return {
    id,
    arn: resource.arn,
    resource_id: resource.id,
    resource_name: resource.name,
    resource_type: resource.resource_type,
    policy: p.policy_id,
    policy_title: p.title,
    account_id: resource.account_id,
    account_name: resource.account_name,
    account_service: resource.account_service,
    service: resource.service,
    region: resource.region,
    severity: p.severity,
    severity_label: p.severity_label,
    state: "ACTIVE",
    first_seen: ago(opened),
    opened_at: ago(opened),
    changed_at: ago(opened),
    last_evaluated: ago(Math.min(opened, 900)),
    summary: `${resource.name}: ${p.title.toLowerCase()}.`,
    reopened: opened % 13 === 0 ? 2 : 0,
    policy_status: p.status === "suspended" ? "suspended" : "active",
    cause,
  };
}

/** The configuration of a resource, with or without what is wrong. */
export function documentOf(resource, bad) {
  if (resource.resource_type !== "AWS::S3::Bucket") {
    return bad
      ? {
          Settings: {
            Name: resource.name,
            PubliclyAccessible: true,
            StorageEncrypted: false,
            Port: 5432,
          },
          Tags: tagList(resource),
        }
      : {
          Settings: {
            Name: resource.name,
            PubliclyAccessible: false,
            StorageEncrypted: true,
            Port: 5432,
          },
          Tags: tagList(resource),
        };
  }
  const own = {
    Sid: "OwnerOnly",
    Effect: "Allow",
    Principal: { AWS: `arn:aws:iam::${resource.account_id}:root` },
    Action: "s3:*",
    Resource: [resource.arn, `${resource.arn}/*`],
  };
  const open = {
    Sid: "PublicRead",
    Effect: "Allow",
    Principal: "*",
    Action: "s3:GetObject",
    Resource: `${resource.arn}/*`,
  };
  return {
    Location: { LocationConstraint: resource.region },
    PublicAccessBlock: {
      BlockPublicAcls: true,
      BlockPublicPolicy: !bad,
      IgnorePublicAcls: true,
      RestrictPublicBuckets: !bad,
    },
    Policy: { Version: "2012-10-17", Statement: bad ? [own, open] : [own] },
    Versioning: { Status: "Enabled" },
    Encryption: {
      Rules: [
        { ApplyServerSideEncryptionByDefault: { SSEAlgorithm: "AES256" }, BucketKeyEnabled: false },
      ],
    },
    Tags: tagList(resource),
  };
}

export function pointersOf(resource) {
  return resource.resource_type === "AWS::S3::Bucket"
    ? ["/Policy/Statement/1/Principal", "/PublicAccessBlock/RestrictPublicBuckets"]
    : ["/Settings/PubliclyAccessible"];
}

const tagList = (resource) => Object.entries(resource.tags).map(([Key, Value]) => ({ Key, Value }));
