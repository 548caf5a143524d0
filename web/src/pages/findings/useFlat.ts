import { useInfiniteQuery, useQueryClient } from "@tanstack/react-query";
import { useCallback, useEffect, useState } from "react";
import * as queries from "~/api/queries";
import type { Transition } from "~/api/types";
import { type Filter, filterQuery } from "~/lib/filter";
import { useTransitions } from "~/live/LiveProvider";
import type { Row } from "./rows";

/** The explorer as one list. New findings are counted and wait until they are asked for. */
export function useFlat(filter: Filter, enabled: boolean) {
  const wanted = filterQuery({ ...filter, state: filter.state ?? ["ACTIVE"] });
  const options = queries.findings(wanted);
  const query = useInfiniteQuery({ ...options, enabled, staleTime: Number.POSITIVE_INFINITY });
  const client = useQueryClient();
  const [waiting, setWaiting] = useState<ReadonlySet<string>>(new Set());
  const id = JSON.stringify(wanted);
  // biome-ignore lint/correctness/useExhaustiveDependencies: another filter starts the count anew
  useEffect(() => setWaiting(new Set()), [id]);

  useTransitions((batch) => {
    if (!enabled) return;
    const fresh = batch.filter(
      (t) => t.kind !== "resolved" && t.kind !== "changed" && fits(t, filter),
    );
    if (fresh.length > 0) setWaiting((old) => new Set([...old, ...fresh.map((t) => t.finding)]));
  });

  const rows: Row[] = (query.data?.pages ?? []).flatMap((page) =>
    page.findings.map((finding): Row => ({ kind: "finding", finding, child: false })),
  );
  const { hasNextPage, isFetching, fetchNextPage } = query;
  const more = useCallback(() => {
    if (hasNextPage && !isFetching) void fetchNextPage();
  }, [hasNextPage, isFetching, fetchNextPage]);
  const first = query.data?.pages[0];
  return {
    query,
    rows,
    more,
    total: first?.meta.total,
    asOf: first?.meta.as_of,
    waiting: waiting.size,
    show: () => {
      setWaiting(new Set());
      void client.resetQueries({ queryKey: options.queryKey });
    },
  };
}

/** Whether a transition belongs under the filter, as far as its fields can tell. */
export function fits(t: Transition, filter: Filter): boolean {
  const has = (name: string, value: string) => filter[name]?.includes(value) ?? true;
  const q = filter.q?.[0]?.toLowerCase();
  return (
    (filter.state?.includes("ACTIVE") ?? true) &&
    has("severity", t.severity_label) &&
    has("policy", t.policy) &&
    has("account", t.account_id) &&
    has("service", t.service) &&
    has("type", t.resource_type) &&
    has("region", t.region) &&
    has("resource", t.resource_id) &&
    (q === undefined ||
      [t.arn, t.resource_name, t.policy_title].some((s) => s.toLowerCase().includes(q)))
  );
}
