// The search parameters of each page, checked. What is not valid is left out.
import { type Field, filterQuery, findingFields, parseFilter, resourceFields } from "./filter";

type Raw = Record<string, unknown>;
type Strings<K extends string> = { [P in K]?: string };

export const findingTabs = ["evidence", "change", "fix", "timeline", "resource", "raw"] as const;
export type FindingTab = (typeof findingTabs)[number];

export type FindingsSearch = Strings<
  | "state"
  | "severity"
  | "policy"
  | "account"
  | "service"
  | "type"
  | "region"
  | "resource"
  | "opened_since"
  | "q"
> & { group?: "none"; peek?: string; tab?: FindingTab };

export type InventorySearch = Strings<
  "account" | "service" | "type" | "region" | "failing" | "deleted" | "q"
>;

export const resourceTabs = ["configuration", "history", "findings", "verdicts"] as const;
export type ResourceTab = (typeof resourceTabs)[number];
export type ResourceSearch = { tab?: ResourceTab; from?: number; to?: number };

export const policyTabs = ["active", "suspended", "available"] as const;
export type PolicyTab = (typeof policyTabs)[number];
export type PoliciesSearch = { tab?: PolicyTab; q?: string };

export type LoginSearch = { code?: string; from?: string };

function fields(list: Field[], raw: Raw): Strings<string> {
  return filterQuery(parseFilter(list, raw).filter) as Strings<string>;
}

function among<T extends string>(values: readonly T[], raw: unknown): T | undefined {
  return values.find((v) => v === raw);
}

function given<T extends object>(search: T): T {
  return Object.fromEntries(
    Object.entries(search).filter(([, v]) => v !== undefined && v !== ""),
  ) as T;
}

function text(raw: unknown): string | undefined {
  return typeof raw === "string" || typeof raw === "number" ? String(raw) : undefined;
}

function whole(raw: unknown): number | undefined {
  const n = Number(raw);
  return raw !== undefined && raw !== "" && Number.isInteger(n) && n >= 0 ? n : undefined;
}

export function findingsSearch(raw: Raw): FindingsSearch {
  const peek = text(raw.peek);
  return given({
    ...fields(findingFields, raw),
    group: among(["none"], raw.group),
    peek: peek && /^f_[a-z0-9]+$/.test(peek) ? peek : undefined,
    tab: among(findingTabs, raw.tab),
  }) as FindingsSearch;
}

export function findingSearch(raw: Raw): { tab?: FindingTab } {
  return given({ tab: among(findingTabs, raw.tab) }) as { tab?: FindingTab };
}

export function inventorySearch(raw: Raw): InventorySearch {
  return fields(resourceFields, raw);
}

export function resourceSearch(raw: Raw): ResourceSearch {
  return given({
    tab: among(resourceTabs, raw.tab),
    from: whole(raw.from),
    to: whole(raw.to),
  }) as ResourceSearch;
}

export function policiesSearch(raw: Raw): PoliciesSearch {
  return given({ tab: among(policyTabs, raw.tab), q: text(raw.q) }) as PoliciesSearch;
}

export function loginSearch(raw: Raw): LoginSearch {
  const from = text(raw.from);
  // Only a path of this application: never another site.
  const safe = from && /^\/(?![/\\])/.test(from) ? from : undefined;
  return given({ code: text(raw.code), from: safe }) as LoginSearch;
}
