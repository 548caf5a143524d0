import { Link } from "@tanstack/react-router";
import type { Dashboard } from "~/api/types";
import { accountId, count } from "~/lib/format";
import { Panel } from "~/ui/Panel";
import { Ago } from "~/ui/Time";

export function TopAccounts({ dashboard }: { dashboard: Dashboard }) {
  return (
    <Panel title="Accounts with most open findings" note={<Ago at={dashboard.generated_at} />}>
      {dashboard.top_accounts.length === 0 ? (
        <p className="px-4 pb-4 text-ink-2">No account has an open finding.</p>
      ) : (
        <table className="mb-3 w-full">
          <thead>
            <tr className="text-right text-ink-2 text-small [&>th]:font-normal">
              <th className="pl-4 text-left">Account</th>
              <th>Critical</th>
              <th>High</th>
              <th className="pr-4">Open</th>
            </tr>
          </thead>
          <tbody>
            {dashboard.top_accounts.slice(0, 7).map((a) => (
              <tr key={a.account_id} className="text-right">
                <td className="py-1 pl-4 text-left">
                  <Link
                    to="/findings"
                    search={{ account: a.account_id }}
                    className="hover:underline"
                  >
                    {a.account_name || accountId(a.account_id)}
                  </Link>{" "}
                  <span className="text-ink-3 text-small">{accountId(a.account_id)}</span>
                </td>
                <td className={a.critical > 0 ? "text-critical" : "text-ink-3"}>
                  {count(a.critical)}
                </td>
                <td className={a.high > 0 ? "text-high" : "text-ink-3"}>{count(a.high)}</td>
                <td className="pr-4">{count(a.open_findings)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </Panel>
  );
}
