import { useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import * as queries from "~/api/queries";
import type { Account } from "~/api/types";
import { accountId, conditionWords, count, plural } from "~/lib/format";
import { PageHeader } from "~/shell/PageHeader";
import { type Column, Grid } from "~/ui/Grid";
import { Loaded } from "~/ui/Query";
import { RowLink } from "~/ui/RowLink";
import { Empty } from "~/ui/States";

const columns: Column<Account>[] = [
  {
    key: "name",
    header: "Account",
    width: "minmax(140px, 0.8fr)",
    cell: (a) => (
      <RowLink href={`/findings?account=${a.account_id}`}>
        {a.name || accountId(a.account_id)}
      </RowLink>
    ),
  },
  { key: "id", header: "Id", width: "120px", cell: (a) => <Dim>{accountId(a.account_id)}</Dim> },
  {
    key: "ou",
    header: "Organisational unit",
    width: "minmax(140px, 1fr)",
    from: 620,
    cell: (a) => <Dim>{a.ou}</Dim>,
  },
  {
    key: "health",
    header: "Health",
    width: "minmax(110px, 0.7fr)",
    cell: (a) => <Health account={a} />,
  },
  {
    key: "regions",
    header: "Regions",
    width: "minmax(120px, 1fr)",
    from: 860,
    cell: (a) => <Dim>{a.regions.join(", ")}</Dim>,
  },
  {
    key: "resources",
    header: "Resources",
    width: "90px",
    align: "end",
    from: 500,
    cell: (a) => count(a.resources),
  },
  {
    key: "open",
    header: "Open findings",
    width: "110px",
    align: "end",
    cell: (a) => count(a.open_findings),
  },
];

function Health({ account: a }: { account: Account }) {
  const worst = a.conditions.find((c) => c.state === a.health);
  if (!worst) return <Dim>ok</Dim>;
  const text = conditionWords(worst.state);
  return (
    <span
      className="text-medium"
      title={a.conditions
        .map((c) => [c.resource_type, c.reason].filter(Boolean).join(": "))
        .join("\n")}
    >
      {text}
    </span>
  );
}

function Dim({ children }: { children: string }) {
  return <span className="text-ink-2">{children}</span>;
}

export function AccountsPage() {
  const query = useQuery(queries.accounts());
  const navigate = useNavigate();
  return (
    <>
      <PageHeader title="Accounts" sub={query.data ? plural(query.data.length, "account") : null} />
      <div className="flex min-h-0 flex-1 flex-col pt-2">
        <Loaded of={query} rows={10}>
          {(accounts) =>
            accounts.length === 0 ? (
              <Empty title="No account is connected">
                Until one is, nothing can be seen and nothing is evaluated.
              </Empty>
            ) : (
              <Grid
                label="Accounts"
                columns={columns}
                rows={[...accounts].sort((a, b) => b.open_findings - a.open_findings)}
                rowKey={(a) => a.account_id}
                onActivate={(a) =>
                  void navigate({ to: "/findings", search: { account: a.account_id } })
                }
              />
            )
          }
        </Loaded>
      </div>
    </>
  );
}
