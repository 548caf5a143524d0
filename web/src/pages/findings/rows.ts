import type { Finding, PolicySummary } from "~/api/types";

/** A row of the explorer: a policy, a finding under it or alone, or what stands where neither is. */
export type Row =
  | { kind: "group"; group: PolicySummary; open: boolean; fresh: number }
  | { kind: "finding"; finding: Finding; child: boolean }
  | { kind: "note"; policy: string; text: string; more: boolean };

export function rowKey(row: Row): string {
  if (row.kind === "group") return `g ${row.group.policy}`;
  return row.kind === "finding" ? row.finding.id : `n ${row.policy}`;
}

/** Filters whose counts are kept, so that policies can be counted without reading findings. */
const counted = new Set(["state", "severity", "policy", "account", "service"]);

/** The fields of the filter that no counter knows; grouping is not possible with them. */
export function uncounted(filter: Record<string, unknown>): string[] {
  return Object.keys(filter).filter((name) => !counted.has(name));
}
