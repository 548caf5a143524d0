import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import * as queries from "~/api/queries";
import type { Filter } from "~/lib/filter";
import { count, plural } from "~/lib/format";
import { Button } from "~/ui/Button";
import { Empty } from "~/ui/States";

/** No row, and which of the reasons it is: a filter, no policy, nothing evaluated, or nothing wrong. */
export function NoFindings({ filter, onClear }: { filter: Filter; onClear: () => void }) {
  const policies = useQuery(queries.policies()).data;
  if (Object.keys(filter).length > 0) {
    return (
      <Empty title="No finding matches the filter">
        <Button className="mt-2" onClick={onClear}>
          Clear the filter
        </Button>
      </Empty>
    );
  }
  if (!policies) return null;
  const launched = policies.filter((p) => p.status !== "available");
  if (launched.length === 0) {
    return (
      <Empty title="No policy is launched, so nothing is evaluated">
        {plural(policies.length, "policy", "policies")} can be launched.{" "}
        <Link className="link" to="/policies" search={{ tab: "available" }}>
          Choose some
        </Link>
      </Empty>
    );
  }
  const sum = (of: (p: (typeof launched)[number]) => number) =>
    launched.reduce((total, p) => total + of(p), 0);
  const judged = sum((p) => p.passing);
  const unknown = sum((p) => p.unknown);
  if (judged + unknown === 0) {
    return (
      <Empty title="Nothing has been evaluated yet">
        {plural(launched.length, "policy is", "policies are")} launched; the first scan is under way
        or no resource is in scope. This is not the same as nothing being wrong.
      </Empty>
    );
  }
  return (
    <Empty title="No open finding">
      {count(judged)} checks passed
      {unknown > 0
        ? `; ${count(unknown)} could not be made, so what they would find is unknown`
        : ""}
      .
    </Empty>
  );
}
