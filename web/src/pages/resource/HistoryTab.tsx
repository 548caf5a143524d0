import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { lazy, Suspense } from "react";
import * as queries from "~/api/queries";
import type { ResourceDetail, Version } from "~/api/types";
import { versionBefore } from "~/findings/change";
import { causeLine } from "~/lib/cause";
import { absolute } from "~/lib/format";
import type { ResourceSearch } from "~/lib/search";
import { Button } from "~/ui/Button";
import { Loaded } from "~/ui/Query";
import { Skeleton } from "~/ui/States";

const DiffView = lazy(() => import("~/ui/Diff").then((m) => ({ default: m.DiffView })));

/** Every version of the resource with who made it; any two can be compared. */
export function HistoryTab(props: {
  resource: ResourceDetail;
  search: ResourceSearch;
  onSearch: (search: ResourceSearch) => void;
}) {
  const { resource, search, onSearch } = props;
  const history = useInfiniteQuery(queries.versions(resource.id));
  const versions = history.data?.pages.flatMap((p) => p.versions);
  return (
    <Loaded of={{ ...history, data: versions }} rows={6}>
      {(list) => {
        const to = search.to ?? list[0]?.version;
        const from =
          search.from ?? (to === undefined ? undefined : versionBefore(list, to)?.version);
        return (
          <div className="grid gap-5 md:grid-cols-[minmax(300px,380px)_minmax(0,1fr)]">
            <div>
              <table className="w-full">
                <thead>
                  <tr className="text-left text-ink-2 text-small [&>th]:font-normal">
                    <th>From</th>
                    <th>To</th>
                    <th>Version</th>
                  </tr>
                </thead>
                <tbody>
                  {list.map((v) => (
                    <VersionRow
                      key={v.version}
                      v={v}
                      from={from}
                      to={to}
                      onPick={(next) =>
                        onSearch({
                          tab: "history",
                          ...(from === undefined ? {} : { from }),
                          ...(to === undefined ? {} : { to }),
                          ...next,
                        })
                      }
                    />
                  ))}
                </tbody>
              </table>
              {history.hasNextPage ? (
                <Button className="mt-2" onClick={() => void history.fetchNextPage()}>
                  Older versions
                </Button>
              ) : null}
            </div>
            {from !== undefined && to !== undefined ? (
              <Compare id={resource.id} from={from} to={to} />
            ) : (
              <p className="text-ink-2">
                This is its first version; there is nothing to compare with.
              </p>
            )}
          </div>
        );
      }}
    </Loaded>
  );
}

function VersionRow(props: {
  v: Version;
  from: number | undefined;
  to: number | undefined;
  onPick: (next: { from?: number; to?: number }) => void;
}) {
  const { v, from, to, onPick } = props;
  return (
    <tr className="border-border border-t align-top">
      <td className="py-1">
        <input
          type="radio"
          name="from"
          aria-label={`Compare from version ${v.version}`}
          checked={from === v.version}
          onChange={() => onPick({ from: v.version })}
        />
      </td>
      <td className="py-1">
        <input
          type="radio"
          name="to"
          aria-label={`Compare to version ${v.version}`}
          checked={to === v.version}
          onChange={() => onPick({ to: v.version })}
        />
      </td>
      <td className="py-1">
        <p>
          {v.version} <span className="text-ink-2">{absolute(v.observed_at)}</span>
          {v.deleted ? " deleted" : ""}
        </p>
        <p className="text-ink-2">{causeLine(v.cause)}</p>
      </td>
    </tr>
  );
}

function Compare({ id, from, to }: { id: string; from: number; to: number }) {
  const before = useQuery(queries.version(id, from));
  const after = useQuery(queries.version(id, to));
  return (
    <Loaded of={before} rows={5}>
      {(old) => (
        <Loaded of={after} rows={5}>
          {(now) => (
            <Suspense fallback={<Skeleton rows={5} />}>
              <div className="min-w-0 space-y-2">
                <p className="text-ink-2">
                  Version {from} to version {to}
                </p>
                <DiffView before={old.configuration} after={now.configuration} label="Difference" />
              </div>
            </Suspense>
          )}
        </Loaded>
      )}
    </Loaded>
  );
}
