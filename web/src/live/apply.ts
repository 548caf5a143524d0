// How a batch of transitions changes what the pages have read.
import type { InfiniteData, QueryClient } from "@tanstack/react-query";
import type { Changes, FindingPage, Transition } from "~/api/types";

const feedLength = 200;

/** Puts the batch into the cache where that is exact, and returns what must be read again. */
export function applyTransitions(client: QueryClient, batch: Transition[]): unknown[][] {
  const newestFirst = [...batch].reverse();
  client.setQueriesData<Changes>(
    { queryKey: ["changes"] },
    (old) =>
      old && {
        newest: Math.max(old.newest, ...batch.map((t) => t.seq)),
        transitions: [...newestFirst, ...old.transitions].slice(0, feedLength),
      },
  );
  // The rows of a flat list stay where they are; only what they say changes.
  client.setQueriesData<InfiniteData<FindingPage>>(
    { queryKey: ["findings", "list"] },
    (old) => old && { ...old, pages: old.pages.map((page) => patchPage(page, batch)) },
  );
  return [
    ["findings", "summary"],
    ["findings", "group"],
    ["policies"],
    ["policy"],
    ["resources"],
    ...[...new Set(batch.map((t) => t.finding))].map((id) => ["finding", id]),
    ...[...new Set(batch.map((t) => t.resource_id))].map((id) => ["resource", id]),
  ];
}

function patchPage(page: FindingPage, batch: Transition[]): FindingPage {
  const byFinding = new Map(batch.map((t) => [t.finding, t]));
  if (!page.findings.some((f) => byFinding.has(f.id))) return page;
  return {
    ...page,
    findings: page.findings.map((f) => {
      const t = byFinding.get(f.id);
      if (!t) return f;
      // It tells who made what was there before, and nothing of the finding
      // itself; which cause it tells, the finding says when it is read again.
      if (t.kind === "explained") return f;
      const next = {
        ...f,
        severity: t.severity,
        severity_label: t.severity_label,
        changed_at: t.at,
        summary: t.summary || f.summary,
      };
      if (t.kind === "resolved") {
        return { ...next, state: "RESOLVED", resolved_at: t.at, resolution: t.resolution };
      }
      return t.kind === "changed"
        ? next
        : { ...next, state: "ACTIVE", opened_at: t.at, cause: t.cause };
    }),
  };
}

/**
 * Invalidates at most once per `everyMs`, so that a thousand transitions a
 * second cost one read of each visible query and not a thousand.
 */
export class Invalidator {
  private waiting = new Map<string, unknown[]>();
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly client: QueryClient,
    private readonly everyMs = 1000,
  ) {}

  add(keys: unknown[][]): void {
    for (const key of keys) this.waiting.set(JSON.stringify(key), key);
    if (this.timer === undefined) {
      this.run();
      this.timer = setTimeout(() => this.tick(), this.everyMs);
    }
  }

  stop(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    this.waiting.clear();
  }

  private tick(): void {
    this.timer = undefined;
    if (this.waiting.size === 0) return;
    this.run();
    this.timer = setTimeout(() => this.tick(), this.everyMs);
  }

  private run(): void {
    const keys = [...this.waiting.values()];
    this.waiting.clear();
    for (const queryKey of keys) void this.client.invalidateQueries({ queryKey });
  }
}
