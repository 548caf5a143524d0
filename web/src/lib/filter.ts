// The filter grammar, the same in the page's address and in the API: a comma
// is OR, fields are joined by AND. Bad values are dropped, never guessed at.
import type { Query } from "~/api/client";
import { bands } from "./severity";

export type Field = {
  name: string;
  label: string;
  /** set: values joined by commas; one: a single value; text: free words; flag: present or not. */
  kind: "set" | "one" | "text" | "flag";
  valid?: (value: string) => boolean;
};

export type Filter = Record<string, string[]>;

const among = (values: readonly string[]) => (value: string) => values.includes(value);
const matches = (pattern: RegExp) => (value: string) => pattern.test(value);

const account = {
  name: "account",
  label: "account",
  kind: "set",
  valid: matches(/^\d{12}$/),
} as const;
const service = {
  name: "service",
  label: "service",
  kind: "set",
  valid: matches(/^[a-z0-9-]+$/),
} as const;
const type = {
  name: "type",
  label: "type",
  kind: "set",
  valid: matches(/^[A-Za-z0-9:]+$/),
} as const;
const region = {
  name: "region",
  label: "region",
  kind: "set",
  valid: matches(/^[a-z0-9-]+$/),
} as const;
const q = { name: "q", label: "text", kind: "text" } as const;

export const findingFields: Field[] = [
  { name: "state", label: "state", kind: "set", valid: among(["ACTIVE", "RESOLVED"]) },
  { name: "severity", label: "severity", kind: "set", valid: among(bands) },
  { name: "policy", label: "policy", kind: "set", valid: matches(/^[A-Za-z0-9]+$/) },
  account,
  service,
  type,
  region,
  { name: "resource", label: "resource", kind: "one", valid: matches(/^r_[a-z0-9]+$/) },
  { name: "opened_since", label: "opened in the last", kind: "one", valid: matches(/^\d+[smhd]$/) },
  q,
];

export const resourceFields: Field[] = [
  account,
  service,
  type,
  region,
  { name: "failing", label: "failing", kind: "one", valid: among(["true", "false"]) },
  { name: "deleted", label: "deleted", kind: "one", valid: among(["true"]) },
  q,
];

/** Reads the fields' values out of search parameters; `dropped` names what was not valid. */
export function parseFilter(fields: Field[], search: Record<string, unknown>) {
  const filter: Filter = {};
  const dropped: string[] = [];
  for (const field of fields) {
    const raw = search[field.name];
    if (raw === undefined || raw === "") continue;
    const text = Array.isArray(raw) ? raw.join(",") : String(raw);
    const parts = field.kind === "set" ? text.split(",").filter(Boolean) : [text];
    const good = [...new Set(parts.filter((v) => field.valid?.(v) ?? true))];
    for (const bad of parts.filter((v) => !(field.valid?.(v) ?? true)))
      dropped.push(`${field.name}=${bad}`);
    if (good.length > 0) filter[field.name] = good;
  }
  return { filter, dropped };
}

/** The filter as query parameters, for the address and for the API alike. */
export function filterQuery(filter: Filter): Query {
  return Object.fromEntries(
    Object.entries(filter).map(([name, values]) => [name, values.join(",")]),
  );
}

/** The words of a chip: "state is open". */
const words: Record<string, Record<string, string>> = {
  state: { ACTIVE: "open", RESOLVED: "resolved" },
  severity: { informational: "info" },
  failing: { true: "yes", false: "no" },
  deleted: { true: "shown" },
};

export function valueWord(field: string, value: string): string {
  return words[field]?.[value] ?? value;
}
