import { base, queryString } from "~/api/client";
import { droppedAtOpening, FilterBar } from "~/filters/FilterBar";
import { filterQuery, findingFields, parseFilter } from "~/lib/filter";
import { clock, count } from "~/lib/format";
import type { FindingsSearch, FindingTab } from "~/lib/search";
import { useShortcuts } from "~/lib/shortcuts";
import { PageHeader } from "~/shell/PageHeader";
import { Button } from "~/ui/Button";
import { CopyAs } from "~/ui/CopyAs";
import { Grid } from "~/ui/Grid";
import { NewRows } from "~/ui/NewRows";
import { Failure, Refreshing, Skeleton } from "~/ui/States";
import { flatColumns, groupedColumns } from "./columns";
import { NoFindings } from "./NoFindings";
import { Peek } from "./Peek";
import { findings as route } from "./route";
import { type Row, rowKey, uncounted } from "./rows";
import { useFlat } from "./useFlat";
import { useGrouped } from "./useGrouped";

export function FindingsPage() {
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const { filter } = parseFilter(findingFields, search);
  const cannotGroup = uncounted(filter);
  const flat = search.group === "none" || cannotGroup.length > 0;
  const grouped = useGrouped(filter, !flat);
  const list = useFlat(filter, flat);
  const view = flat ? list : grouped;
  const { query, rows } = view;

  const change = (next: Partial<FindingsSearch>, replace = true) =>
    void navigate({ search: (old) => ({ ...old, ...next }), replace });
  const peek = (id: string | undefined) => change({ peek: id, tab: id ? search.tab : undefined });
  const activate = (row: Row) => {
    if (row.kind === "finding") peek(row.finding.id);
    else if (row.kind === "group") grouped.expand(row.group.policy, !row.open);
    else if (row.more) change({ policy: row.policy, group: "none" }, false);
  };

  const ids = rows.flatMap((row) => (row.kind === "finding" ? [row.finding.id] : []));
  const step = (by: number) => {
    const at = search.peek ? ids.indexOf(search.peek) : -1;
    const next = ids[at + by];
    if (search.peek && next) peek(next);
    return true;
  };
  useShortcuts({
    Escape: () => {
      if (!search.peek) return false;
      peek(undefined);
      return true;
    },
    "[": () => step(-1),
    "]": () => step(1),
    y: () => {
      void navigator.clipboard?.writeText(location.href);
      return true;
    },
  });
  const open = grouped.query.data;
  return (
    <div className="flex min-h-0 flex-1">
      <div className="flex min-w-0 flex-1 flex-col">
        <PageHeader title="Findings" sub={<Sub flat={flat} list={list} summary={open} />} />
        <FilterBar
          fields={findingFields}
          filter={filter}
          defaults={{ state: ["ACTIVE"] }}
          dropped={droppedAtOpening("/findings", (s) => parseFilter(findingFields, s).dropped)}
          onChange={(next) => {
            const cleared = Object.fromEntries(findingFields.map((f) => [f.name, undefined]));
            change({ ...cleared, ...filterQuery(next) } as Partial<FindingsSearch>, false);
          }}
        >
          <Button
            kind="quiet"
            aria-pressed={!flat}
            refused={
              cannotGroup.length > 0
                ? `Counts by policy are not kept for ${cannotGroup.join(" and ")}`
                : undefined
            }
            onClick={() => change({ group: flat ? undefined : "none" }, false)}
          >
            Group by <strong>{flat ? "nothing" : "policy"}</strong>
          </Button>
          <CopyAs
            path={`${base}/findings${queryString(filterQuery({ state: ["ACTIVE"], ...filter }))}`}
          />
        </FilterBar>
        <div className="relative flex min-h-0 flex-1 flex-col">
          <Refreshing active={query.isFetching && !query.isPending} />
          <NewRows waiting={view.waiting} onShow={view.show} />
          {query.error ? (
            <Failure
              error={query.error}
              retry={() => void query.refetch()}
              stale={rows.length > 0}
            />
          ) : null}
          {query.isPending ? <Skeleton rows={12} /> : null}
          {query.data && rows.length === 0 ? (
            <NoFindings filter={filter} onClear={() => void navigate({ search: {} })} />
          ) : null}
          {rows.length > 0 ? (
            <Grid
              label={flat ? "Findings" : "Findings by policy"}
              columns={flat ? flatColumns : groupedColumns}
              rows={rows}
              rowKey={rowKey}
              onActivate={activate}
              selected={(row) => row.kind === "finding" && row.finding.id === search.peek}
              {...(flat
                ? { total: list.total, onEnd: list.more }
                : {
                    level: (row: Row) => (row.kind === "group" ? 1 : 2) as 1 | 2,
                    expanded: (row: Row) => (row.kind === "group" ? row.open : undefined),
                    onExpand: (row: Row, isOpen: boolean) => {
                      if (row.kind === "group") grouped.expand(row.group.policy, isOpen);
                    },
                    onHold: grouped.hold,
                  })}
            />
          ) : null}
        </div>
      </div>
      {search.peek ? (
        <Peek
          id={search.peek}
          tab={search.tab ?? "evidence"}
          onTab={(tab: FindingTab) => change({ tab })}
          onClose={() => peek(undefined)}
          onStep={ids.length > 1 ? (by) => void step(by) : undefined}
        />
      ) : null}
    </div>
  );
}

function Sub(props: {
  flat: boolean;
  list: ReturnType<typeof useFlat>;
  summary: { open_findings: number; as_of: string; policies: { unknown: number }[] } | undefined;
}) {
  const { flat, list, summary } = props;
  if (flat) {
    if (list.asOf === undefined) return null;
    const number =
      list.total === undefined
        ? `${count(list.rows.length)}${list.query.hasNextPage ? " or more" : ""}`
        : count(list.total);
    return `${number} matching · as of ${clock(list.asOf)}`;
  }
  if (!summary) return null;
  const unknown = summary.policies.reduce((sum, p) => sum + p.unknown, 0);
  return [
    `${count(summary.open_findings)} open`,
    ...(unknown > 0 ? [`${count(unknown)} could not be evaluated`] : []),
    `as of ${clock(summary.as_of)}`,
  ].join(" · ");
}
