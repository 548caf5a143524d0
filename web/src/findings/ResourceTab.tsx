import { Link } from "@tanstack/react-router";
import type { FindingDetail } from "~/api/types";
import { accountId } from "~/lib/format";
import { CopyButton } from "~/ui/Copy";
import { Facts } from "~/ui/Facts";
import { Severity } from "~/ui/Severity";
import { Ago } from "~/ui/Time";

/** The resource, and what else is wrong with it. */
export function ResourceTab({ finding: f }: { finding: FindingDetail }) {
  return (
    <div className="space-y-3">
      <Facts
        of={[
          ["Name", f.resource_name],
          [
            "ARN",
            <span key="arn" className="break-all">
              {f.arn || "not known"}
            </span>,
          ],
          ["Type", f.resource_type],
          ["Account", `${accountId(f.account_id)} ${f.account_name}`],
          ["Region", f.region],
          ["First failed", <Ago key="first" at={f.first_seen} />],
          ["Evaluated", <Ago key="last" at={f.last_evaluated} />],
        ]}
      />
      <p className="flex gap-2">
        <Link className="link" to="/inventory/$id" params={{ id: f.resource_id }}>
          Configuration and history
        </Link>
      </p>
      <h3 className="font-[650]">Other open findings of this resource</h3>
      {f.other_findings.length === 0 ? (
        <p className="text-ink-2">None.</p>
      ) : (
        <ul className="space-y-1">
          {f.other_findings.map((other) => (
            <li key={other.id} className="grid grid-cols-[86px_1fr_auto] items-center gap-3">
              <Severity label={other.severity_label} />
              <Link
                className="truncate hover:underline"
                to="/findings/$id"
                params={{ id: other.id }}
              >
                {other.policy_title}
              </Link>
              <span className="text-ink-2">
                <Ago at={other.opened_at} />
              </span>
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}

/** The answer of the API, as it came. */
export function RawTab({ finding }: { finding: FindingDetail }) {
  const text = JSON.stringify(finding, null, 2);
  return (
    <div className="space-y-2">
      <CopyButton text={text} label="Copy JSON" />
      <section
        // biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reachable by keyboard
        tabIndex={0}
        aria-label="Finding as JSON"
        className="max-h-[60vh] overflow-auto whitespace-pre rounded bg-sunken p-3 font-mono text-[12.5px]"
      >
        {text}
      </section>
    </div>
  );
}
