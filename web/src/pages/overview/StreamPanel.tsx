import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import * as queries from "~/api/queries";
import type { Dashboard, System } from "~/api/types";
import { count, lagWords, plural } from "~/lib/format";
import { Panel } from "~/ui/Panel";
import { Loaded } from "~/ui/Query";
import { Ago } from "~/ui/Time";

/** How fresh everything on the page is. */
export function StreamPanel({ dashboard }: { dashboard: Dashboard | undefined }) {
  const system = useQuery(queries.system());
  const scans = dashboard?.anti_entropy;
  return (
    <Panel
      title="Stream and scans"
      note={
        <Link className="link" to="/system">
          System
        </Link>
      }
    >
      <Loaded of={system} rows={4}>
        {(s) => (
          <dl className="grid grid-cols-[minmax(0,1fr)_auto] gap-y-1 px-4 pb-4">
            <Line name="Behind AWS">{lagWords(s.lag_seconds)}</Line>
            <Line name="Events">
              {s.events_per_second === undefined
                ? "unknown"
                : `${s.events_per_second.toFixed(1)} a second`}
            </Line>
            <Line name="Shards">{owned(s)}</Line>
            <Line name="Resources to be read again">{count(s.dirty.count)}</Line>
            <Line name="Dead letters">{plural(s.dead_letters, "record")}</Line>
            <Line name="Last inventory scan">{lastScan(scans?.last_inventory_scan)}</Line>
            <Line name="Last policy scan">{lastScan(scans?.last_policy_scan)}</Line>
            {scans?.drift_detected ? (
              <Line name="Scans">
                <strong>overdue</strong>
              </Line>
            ) : null}
          </dl>
        )}
      </Loaded>
    </Panel>
  );
}

/** Of the shards that are to be read now. */
function owned({ stream }: System): ReactNode {
  const shards = stream.shards.filter((s) => s.state === "open" || s.state === "closed");
  const words = `${count(shards.filter((s) => s.owner !== "").length)} of ${count(shards.length)} owned`;
  return stream.troubles.length === 0 ? (
    words
  ) : (
    <span className="text-critical">
      {words}, {plural(stream.troubles.length, "trouble")}
    </span>
  );
}

function lastScan(scan: { timestamp_ms: number } | undefined): ReactNode {
  if (!scan) return "not yet";
  return <Ago at={new Date(scan.timestamp_ms).toISOString()} />;
}

function Line({ name, children }: { name: string; children: ReactNode }) {
  return (
    <>
      <dt className="text-ink-2">{name}</dt>
      <dd className="text-right">{children}</dd>
    </>
  );
}
