// The launch form: text as people type it, to and from what the API takes.
import type { EditBody, Json, LaunchBody, Param, Policy, Scope } from "~/api/types";

export type LaunchForm = {
  includeAccounts: string[];
  excludeAccounts: string[];
  includeOUs: string; // one path a line
  excludeOUs: string;
  includeTags: string; // one "key=value, other value" a line
  excludeTags: string;
  severity: string; // empty: the policy's own
  remediation: string; // empty: the policy's own
  params: Record<string, string>;
};

export const emptyScope: Scope = {
  include_accounts: [],
  exclude_accounts: [],
  include_tags: {},
  exclude_tags: {},
  include_ou_paths: [],
  exclude_ou_paths: [],
};

export function formOf(policy: Policy): LaunchForm {
  const { scope } = policy;
  return {
    includeAccounts: scope.include_accounts,
    excludeAccounts: scope.exclude_accounts,
    includeOUs: scope.include_ou_paths.join("\n"),
    excludeOUs: scope.exclude_ou_paths.join("\n"),
    includeTags: tagText(scope.include_tags),
    excludeTags: tagText(scope.exclude_tags),
    severity: policy.severity === policy.default_severity ? "" : String(policy.severity),
    remediation: policy.remediation_override,
    params: Object.fromEntries(
      policy.params.map((p) => [p.name, paramText(p.value ?? p.default ?? null)]),
    ),
  };
}

export type FormErrors = Record<string, string>;

/** What the form says, or what is wrong with it, by field. */
export function bodyOf(form: LaunchForm, policy: Policy): { body: EditBody; errors: FormErrors } {
  const errors: FormErrors = {};
  const tags = (name: string, text: string) => {
    const { tags: parsed, bad } = parseTags(text);
    if (bad) errors[name] = `“${bad}” is not of the form key=value`;
    return parsed;
  };
  const body: EditBody = {
    scope: {
      include_accounts: form.includeAccounts,
      exclude_accounts: form.excludeAccounts,
      include_ou_paths: lines(form.includeOUs),
      exclude_ou_paths: lines(form.excludeOUs),
      include_tags: tags("includeTags", form.includeTags),
      exclude_tags: tags("excludeTags", form.excludeTags),
    },
    remediation: form.remediation,
  };
  const both = form.includeAccounts.filter((a) => form.excludeAccounts.includes(a));
  if (both.length > 0) errors.excludeAccounts = `${both.join(", ")} is both included and excluded`;
  if (form.severity.trim() !== "") {
    const severity = Number(form.severity);
    if (!Number.isInteger(severity) || severity < 0 || severity > 100)
      errors.severity = "A whole number from 0 to 100";
    else body.severity = severity;
  } else {
    body.severity = null;
  }
  const params: Record<string, Json> = {};
  for (const param of policy.params) {
    const parsed = parseParam(param, form.params[param.name] ?? "");
    if ("error" in parsed) errors[`param ${param.name}`] = parsed.error;
    else params[param.name] = parsed.value;
  }
  if (policy.params.length > 0) body.params = params;
  return { body, errors };
}

export function launchBody(policy: Policy, body: EditBody): LaunchBody {
  const { status: _, remediation, severity, ...rest } = body;
  return {
    policy_id: policy.policy_id,
    ...rest,
    ...(remediation ? { remediation } : {}),
    ...(typeof severity === "number" ? { severity } : {}),
  };
}

function lines(text: string): string[] {
  return text
    .split("\n")
    .map((line) => line.trim())
    .filter(Boolean);
}

export function tagText(tags: Record<string, string[]>): string {
  return Object.entries(tags)
    .map(([key, values]) => `${key}=${values.join(", ")}`)
    .join("\n");
}

export function parseTags(text: string): { tags: Record<string, string[]>; bad?: string } {
  const tags: Record<string, string[]> = {};
  for (const line of lines(text)) {
    const at = line.indexOf("=");
    const key = line.slice(0, at).trim();
    if (at < 1 || key === "") return { tags, bad: line };
    const values = line
      .slice(at + 1)
      .split(",")
      .map((v) => v.trim())
      .filter(Boolean);
    tags[key] = [...(tags[key] ?? []), ...values];
  }
  return { tags };
}

export function paramText(value: Json): string {
  if (value === null) return "";
  if (Array.isArray(value))
    return value.map((v) => (typeof v === "string" ? v : JSON.stringify(v))).join(", ");
  return typeof value === "string" ? value : JSON.stringify(value);
}

/** Whether the parameter is a list, such as list(int). */
export function isList(param: Param): boolean {
  return param.type.startsWith("list(");
}

function isInteger(param: Param): boolean {
  return param.type === "int" || param.type === "list(int)";
}

export function parseParam(param: Param, text: string): { value: Json } | { error: string } {
  if (param.type === "bool") return { value: text === "true" };
  const parts = isList(param)
    ? text
        .split(",")
        .map((s) => s.trim())
        .filter(Boolean)
    : [text.trim()];
  const values: Json[] = [];
  for (const part of parts) {
    if (!isInteger(param)) {
      values.push(part);
      continue;
    }
    const n = Number(part);
    if (part === "" || !Number.isInteger(n)) return { error: `“${part}” is not a whole number` };
    if (param.min !== undefined && n < param.min) return { error: `At least ${param.min}` };
    if (param.max !== undefined && n > param.max) return { error: `At most ${param.max}` };
    values.push(n);
  }
  return { value: isList(param) ? values : (values[0] ?? "") };
}

/** The scope in one line. */
export function scopeWords(scope: Scope): string {
  const parts: string[] = [];
  const list = (words: string, items: string[]) => {
    if (items.length > 0)
      parts.push(`${words} ${items.length > 2 ? `${items.length}` : items.join(", ")}`);
  };
  const tags = (t: Record<string, string[]>) =>
    Object.entries(t).map(([k, v]) => `${k}=${v.join("|")}`);
  list("accounts", scope.include_accounts);
  list("OUs", scope.include_ou_paths);
  list("tags", tags(scope.include_tags));
  list("not accounts", scope.exclude_accounts);
  list("not OUs", scope.exclude_ou_paths);
  list("not tags", tags(scope.exclude_tags));
  return parts.length === 0 ? "everything" : parts.join(" · ");
}
