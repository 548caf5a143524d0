import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import * as queries from "~/api/queries";
import type { FindingDetail } from "~/api/types";
import { DiffView } from "~/ui/Diff";
import { Loaded } from "~/ui/Query";
import { Skeleton } from "~/ui/States";
import { Moment } from "~/ui/Time";
import { causingVersion, versionBefore } from "./change";

/** The configuration after the causing change against the one before it. */
export function ChangeTab({ finding: f }: { finding: FindingDetail }) {
  const history = useInfiniteQuery(queries.versions(f.resource_id));
  const versions = history.data?.pages.flatMap((p) => p.versions);
  return (
    <Loaded of={{ ...history, data: versions }} rows={4}>
      {(list) => {
        const made = causingVersion(list, f.cause, f.opened_at);
        const before = made && versionBefore(list, made.version);
        if (!before && history.hasNextPage) {
          return (
            <button type="button" className="link" onClick={() => void history.fetchNextPage()}>
              The change is further back. Read older versions
            </button>
          );
        }
        if (!made) {
          return <p className="text-ink-2">No version of the resource from that time is kept.</p>;
        }
        if (!before) {
          return (
            <p className="text-ink-2">
              The resource was like this when it was first seen, <Moment at={made.observed_at} />,
              so there is nothing to compare with.
            </p>
          );
        }
        return <Change id={f.resource_id} from={before.version} to={made.version} />;
      }}
    </Loaded>
  );
}

function Change({ id, from, to }: { id: string; from: number; to: number }) {
  const before = useQuery(queries.version(id, from));
  const after = useQuery(queries.version(id, to));
  return (
    <Loaded of={before} rows={4}>
      {(old) => (
        <Loaded of={after} rows={4}>
          {(now) =>
            old && now ? (
              <div className="space-y-2">
                <p className="text-ink-2">
                  Version {to}, read <Moment at={now.observed_at} />, against version {from}, read{" "}
                  <Moment at={old.observed_at} />.
                </p>
                <DiffView
                  before={old.configuration}
                  after={now.configuration}
                  label="What the change did"
                />
                <Link
                  className="link"
                  to="/inventory/$id"
                  params={{ id }}
                  search={{ tab: "history", from, to }}
                >
                  All versions
                </Link>
              </div>
            ) : (
              <Skeleton rows={4} />
            )
          }
        </Loaded>
      )}
    </Loaded>
  );
}
