import { useInfiniteQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useCallback } from "react";
import { base, queryString } from "~/api/client";
import * as queries from "~/api/queries";
import type { Resource } from "~/api/types";
import { droppedAtOpening, FilterBar } from "~/filters/FilterBar";
import { filterQuery, parseFilter, resourceFields } from "~/lib/filter";
import { accountId, clock, count } from "~/lib/format";
import type { InventorySearch } from "~/lib/search";
import { PageHeader } from "~/shell/PageHeader";
import { Button } from "~/ui/Button";
import { CopyAs } from "~/ui/CopyAs";
import { type Column, Grid } from "~/ui/Grid";
import { RowLink } from "~/ui/RowLink";
import { SeverityGlyph } from "~/ui/Severity";
import { Empty, Failure, Refreshing, Skeleton } from "~/ui/States";
import { Ago } from "~/ui/Time";
import { inventory as route } from "./route";

const columns: Column<Resource>[] = [
  {
    key: "name",
    header: "Resource",
    width: "minmax(200px, 1.4fr)",
    cell: (r) => (
      <RowLink href={`/inventory/${r.id}`} title={r.arn} struck={r.deleted}>
        {r.name}
      </RowLink>
    ),
  },
  {
    key: "type",
    header: "Type",
    width: "150px",
    from: 560,
    cell: (r) => <Dim>{r.type_title}</Dim>,
  },
  {
    key: "account",
    header: "Account",
    width: "minmax(150px, 0.7fr)",
    from: 700,
    cell: (r) => <Dim>{`${accountId(r.account_id)} ${r.account_name}`}</Dim>,
  },
  {
    key: "region",
    header: "Region",
    width: "100px",
    from: 860,
    cell: (r) => <Dim>{r.region}</Dim>,
  },
  {
    key: "open",
    header: "Open findings",
    width: "100px",
    align: "end",
    cell: (r) =>
      r.open_findings > 0 && r.severity_label ? (
        <span className="inline-flex items-center gap-2">
          <SeverityGlyph label={r.severity_label} /> {count(r.open_findings)}
        </span>
      ) : (
        <Dim>{r.missing.length > 0 ? "partly unseen" : "0"}</Dim>
      ),
  },
  {
    key: "changed",
    header: "Changed",
    width: "100px",
    align: "end",
    from: 640,
    cell: (r) => (
      <Dim>
        <Ago at={r.changed_at} />
      </Dim>
    ),
  },
  {
    key: "observed",
    header: "Read",
    width: "100px",
    align: "end",
    from: 960,
    cell: (r) => (
      <Dim>
        <Ago at={r.observed_at} />
      </Dim>
    ),
  },
];

function Dim({ children }: { children: React.ReactNode }) {
  return <span className="text-ink-2">{children}</span>;
}

export function InventoryPage() {
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const { filter } = parseFilter(resourceFields, search);
  const query = useInfiniteQuery(queries.resources(filterQuery(filter)));
  const rows = (query.data?.pages ?? []).flatMap((page) => page.resources);
  const meta = query.data?.pages[0]?.meta;
  const { hasNextPage, isFetching, fetchNextPage } = query;
  const more = useCallback(() => {
    if (hasNextPage && !isFetching) void fetchNextPage();
  }, [hasNextPage, isFetching, fetchNextPage]);
  const number =
    meta?.total === undefined
      ? `${count(rows.length)}${hasNextPage ? " or more" : ""}`
      : count(meta.total);
  return (
    <>
      <PageHeader
        title="Inventory"
        sub={
          meta
            ? `${number} ${number === "1" ? "resource" : "resources"} · as of ${clock(meta.as_of)}`
            : null
        }
      />
      <FilterBar
        fields={resourceFields}
        filter={filter}
        dropped={droppedAtOpening("/inventory", (s) => parseFilter(resourceFields, s).dropped)}
        onChange={(next) => void navigate({ search: filterQuery(next) as InventorySearch })}
      >
        <CopyAs path={`${base}/resources${queryString(filterQuery(filter))}`} />
      </FilterBar>
      <div className="relative flex min-h-0 flex-1 flex-col">
        <Refreshing active={isFetching && !query.isPending} />
        {query.error ? (
          <Failure error={query.error} retry={() => void query.refetch()} stale={rows.length > 0} />
        ) : null}
        {query.isPending ? <Skeleton rows={12} /> : null}
        {query.data && rows.length === 0 ? (
          Object.keys(filter).length > 0 ? (
            <Empty title="No resource matches the filter">
              <Button className="mt-2" onClick={() => void navigate({ search: {} })}>
                Clear the filter
              </Button>
            </Empty>
          ) : (
            <Empty title="No resource has been read yet">
              The first inventory scan lists and reads every resource of the connected accounts.{" "}
              <Link className="link" to="/system">
                See its progress
              </Link>
            </Empty>
          )
        ) : null}
        {rows.length > 0 ? (
          <Grid
            label="Resources"
            columns={columns}
            rows={rows}
            rowKey={(r) => r.id}
            total={meta?.total}
            onEnd={more}
            onActivate={(r) => void navigate({ to: "/inventory/$id", params: { id: r.id } })}
          />
        ) : null}
      </div>
    </>
  );
}
