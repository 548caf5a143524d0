import { useQuery } from "@tanstack/react-query";
import * as queries from "~/api/queries";
import { PageHeader } from "~/shell/PageHeader";
import { Loaded } from "~/ui/Query";
import { Headline } from "./Headline";
import { LiveFeed } from "./LiveFeed";
import { Posture } from "./Posture";
import { StreamPanel } from "./StreamPanel";
import { TopAccounts } from "./TopAccounts";
import { TopPolicies } from "./TopPolicies";
import { Trend } from "./Trend";

export function OverviewPage() {
  const dashboard = useQuery(queries.dashboard());
  const summary = useQuery(queries.findingsSummary({ state: "ACTIVE" }));
  return (
    <>
      <PageHeader title="Overview" />
      <div className="min-h-0 flex-1 overflow-auto">
        <div className="mx-auto max-w-[1280px] space-y-4 p-4">
          <Headline />
          <Posture dashboard={dashboard.data} />
          <div className="grid gap-4 lg:grid-cols-[minmax(0,5fr)_minmax(0,4fr)]">
            <Loaded of={dashboard} rows={6}>
              {(data) => <Trend dashboard={data} open={summary.data?.open_findings} />}
            </Loaded>
            <LiveFeed />
          </div>
          <div className="grid gap-4 md:grid-cols-2 xl:grid-cols-3">
            <TopPolicies />
            <Loaded of={dashboard} rows={6}>
              {(data) => <TopAccounts dashboard={data} />}
            </Loaded>
            <StreamPanel dashboard={dashboard.data} />
          </div>
        </div>
      </div>
    </>
  );
}
