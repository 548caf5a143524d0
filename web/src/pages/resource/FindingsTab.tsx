import { Link } from "@tanstack/react-router";
import type { Finding } from "~/api/types";
import { causeLine } from "~/lib/cause";
import { resolution } from "~/lib/format";
import { Severity } from "~/ui/Severity";
import { Ago } from "~/ui/Time";

export function FindingsTab({ findings }: { findings: Finding[] }) {
  if (findings.length === 0) {
    return (
      <p className="text-ink-2">
        No finding. The tab Verdicts tells which policies passed and which could not be evaluated.
      </p>
    );
  }
  return (
    <ul>
      {findings.map((f) => (
        <li
          key={f.id}
          className="grid grid-cols-[86px_minmax(0,1fr)_auto] items-center gap-3 border-border border-b py-1"
        >
          <Severity label={f.severity_label} />
          <span className="truncate">
            <Link to="/findings/$id" params={{ id: f.id }} className="hover:underline">
              {f.policy_title}
            </Link>
            <span className="text-ink-2"> · {causeLine(f.cause)}</span>
          </span>
          <span className="text-ink-2">
            {f.state === "RESOLVED" ? (
              `resolved, ${resolution(f.resolution)}`
            ) : (
              <>
                open <Ago at={f.opened_at} bare />
              </>
            )}
          </span>
        </li>
      ))}
    </ul>
  );
}
