import { useQueries, useQuery } from "@tanstack/react-query";
import { useRef, useState } from "react";
import * as queries from "~/api/queries";
import type { PolicySummary } from "~/api/types";
import { type Filter, filterQuery } from "~/lib/filter";
import { count } from "~/lib/format";
import { HeldLists } from "~/lib/held";
import { useTransitions } from "~/live/LiveProvider";
import type { Row } from "./rows";

/** The explorer grouped by policy: the groups, and the findings of those that are open. */
export function useGrouped(filter: Filter, enabled: boolean) {
  const { policy: wanted, ...counted } = filter;
  const states = filter.state ?? ["ACTIVE"];
  const query = useQuery({
    ...queries.findingsSummary(filterQuery({ ...counted, state: states })),
    enabled,
  });
  const [open, setOpen] = useState<ReadonlySet<string>>(new Set());
  const [fresh, setFresh] = useState<ReadonlyMap<string, number>>(new Map());
  const held = useRef(new HeldLists());
  const [, again] = useState(0);

  useTransitions((batch) => {
    const openings = batch.filter((t) => t.kind === "opened" || t.kind === "reopened");
    if (openings.length === 0) return;
    setFresh((old) => {
      const next = new Map(old);
      for (const t of openings) next.set(t.policy, (next.get(t.policy) ?? 0) + 1);
      return next;
    });
  });

  const opened = [...open];
  const lists = useQueries({
    queries: opened.map((policy) => ({
      ...queries.groupFindings(filterQuery({ ...filter, state: states, policy: [policy] })),
      enabled,
    })),
  });

  const id = JSON.stringify(filter);
  const all = (query.data?.policies ?? []).filter(
    (g) => (wanted === undefined || wanted.includes(g.policy)) && matching(g, states) > 0,
  );
  const groups = held.current.show(`groups ${id}`, all, (g) => g.policy);
  let waiting = groups.waiting;
  const rows: Row[] = [];
  for (const group of groups.rows) {
    const isOpen = open.has(group.policy);
    rows.push({ kind: "group", group, open: isOpen, fresh: fresh.get(group.policy) ?? 0 });
    if (!isOpen) continue;
    const list = lists[opened.indexOf(group.policy)];
    if (list?.data) {
      const shown = held.current.show(`${group.policy} ${id}`, list.data.findings, (f) => f.id);
      waiting += shown.waiting;
      for (const finding of shown.rows) rows.push({ kind: "finding", finding, child: true });
      if (list.data.next_token) {
        const text = `Show all ${count(matching(group, states))}`;
        rows.push({ kind: "note", policy: group.policy, text, more: true });
      }
    } else {
      const text = list?.error ? `Could not load: ${list.error.message}` : "Loading…";
      rows.push({ kind: "note", policy: group.policy, text, more: false });
    }
  }
  return {
    query,
    rows,
    waiting,
    expand: (policy: string, isOpen: boolean) => {
      setOpen((old) => {
        const next = new Set(old);
        if (isOpen) next.add(policy);
        else next.delete(policy);
        return next;
      });
      setFresh((old) => new Map([...old].filter(([p]) => p !== policy)));
    },
    hold: (isHeld: boolean) => {
      held.current.hold(isHeld);
      if (!isHeld) again((n) => n + 1);
    },
    show: () => {
      held.current.release();
      again((n) => n + 1);
    },
  };
}

function matching(group: PolicySummary, states: string[]): number {
  return (
    (states.includes("ACTIVE") ? group.open_findings : 0) +
    (states.includes("RESOLVED") ? group.resolved_findings : 0)
  );
}
