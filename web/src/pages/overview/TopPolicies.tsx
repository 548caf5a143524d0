import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import * as queries from "~/api/queries";
import { count } from "~/lib/format";
import { ShareBar } from "~/ui/Bar";
import { Panel } from "~/ui/Panel";
import { Loaded } from "~/ui/Query";
import { SeverityGlyph } from "~/ui/Severity";

/** The policies with the most open findings, the worst first among equals. */
export function TopPolicies() {
  const summary = useQuery(queries.findingsSummary({ state: "ACTIVE" }));
  return (
    <Panel title="Policies with most open findings">
      <Loaded of={summary} rows={6}>
        {(data) => {
          const top = [...data.policies]
            .filter((p) => p.open_findings > 0)
            .sort((a, b) => b.open_findings - a.open_findings || b.severity - a.severity)
            .slice(0, 8);
          const most = top[0]?.open_findings ?? 0;
          if (top.length === 0)
            return <p className="px-4 pb-4 text-ink-2">No policy has an open finding.</p>;
          return (
            <ul className="pb-3">
              {top.map((p) => (
                <li key={p.policy}>
                  <Link
                    to="/findings"
                    search={{ policy: p.policy, group: "none" }}
                    className="grid grid-cols-[13px_minmax(0,1fr)_44px_40px] items-center gap-x-2 px-4 py-1 hover:bg-sunken"
                  >
                    <SeverityGlyph label={p.severity_label} />
                    <span className="truncate">{p.title}</span>
                    <ShareBar part={p.open_findings} whole={most} />
                    <span className="text-right">{count(p.open_findings)}</span>
                  </Link>
                </li>
              ))}
            </ul>
          );
        }}
      </Loaded>
    </Panel>
  );
}
