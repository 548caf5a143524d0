import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { get } from "~/api/client";
import * as queries from "~/api/queries";
import type { FindingPage } from "~/api/types";
import { newsOf } from "./sentence";

const query = { state: "ACTIVE", severity: "critical", opened_since: "24h" };

export function Headline() {
  const opened = useQuery({
    queryKey: ["findings", "group", "headline"],
    queryFn: ({ signal }) => get<FindingPage>("/findings", { ...query, page_size: 200 }, signal),
  });
  const accounts = useQuery(queries.accounts());
  if (accounts.data?.length === 0) {
    return <p className="text-head">No account is connected, so nothing can be seen.</p>;
  }
  if (!opened.data) return <p className="h-6 text-head">{opened.error ? "" : " "}</p>;
  const { text, by } = newsOf(opened.data.findings, opened.data.next_token !== undefined);
  return (
    <p className="text-head">
      <Link
        to="/findings"
        search={{ severity: "critical", opened_since: "24h" }}
        className="hover:underline"
      >
        {text}
      </Link>
      {by ? (
        <>
          , <strong>{by}</strong>
        </>
      ) : null}
      .
    </p>
  );
}
