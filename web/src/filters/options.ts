import { useQuery } from "@tanstack/react-query";
import * as queries from "~/api/queries";
import { valueWord } from "~/lib/filter";
import { accountId } from "~/lib/format";
import { bands, bandWord } from "~/lib/severity";

export type Option = { value: string; label: string; note?: string };

const spans: [string, string][] = [
  ["15m", "15 minutes"],
  ["1h", "hour"],
  ["24h", "24 hours"],
  ["7d", "7 days"],
  ["30d", "30 days"],
];

/** The values a field may take, as far as the server can list them. */
export function useOptions(): (field: string) => Option[] {
  const accounts = useQuery(queries.accounts()).data ?? [];
  const services = useQuery(queries.services()).data ?? [];
  const policies = useQuery(queries.policies()).data ?? [];
  return (field) => {
    switch (field) {
      case "state":
        return ["ACTIVE", "RESOLVED"].map((v) => ({ value: v, label: valueWord("state", v) }));
      case "severity":
        return bands.map((b) => ({ value: b, label: bandWord[b] }));
      case "account":
        return accounts.map((a) => ({
          value: a.account_id,
          label: a.name || accountId(a.account_id),
          note: accountId(a.account_id),
        }));
      case "service":
        return services.map((s) => ({ value: s.service_name, label: s.display_name }));
      case "type":
        return services.flatMap((s) =>
          s.resource_types.map((t) => ({ value: t.name, label: t.title, note: t.name })),
        );
      case "region":
        return [...new Set(accounts.flatMap((a) => a.regions))]
          .sort()
          .map((r) => ({ value: r, label: r }));
      case "policy":
        return policies.map((p) => ({ value: p.policy_id, label: p.title, note: p.policy_id }));
      case "opened_since":
        return spans.map(([value, label]) => ({ value, label }));
      case "failing":
        return [
          { value: "true", label: "yes" },
          { value: "false", label: "no" },
        ];
      case "deleted":
        return [{ value: "true", label: "shown" }];
      default:
        return [];
    }
  };
}
