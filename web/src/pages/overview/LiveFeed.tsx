import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useRef, useState } from "react";
import * as queries from "~/api/queries";
import type { Transition } from "~/api/types";
import { causeLine } from "~/lib/cause";
import { count } from "~/lib/format";
import { HeldLists } from "~/lib/held";
import { Panel } from "~/ui/Panel";
import { Loaded } from "~/ui/Query";
import { SeverityGlyph } from "~/ui/Severity";
import { Ago } from "~/ui/Time";
import { type Burst, bursts } from "./bursts";

const shown = 6;

const verb: Record<Transition["kind"], string> = {
  opened: "opened",
  reopened: "reopened",
  changed: "changed",
  resolved: "resolved",
  explained: "explained",
};

/** What opened and what was resolved, as it happens. It stands still under the pointer. */
export function LiveFeed() {
  const changes = useQuery(queries.changes(50));
  const held = useRef(new HeldLists());
  const [paused, setPaused] = useState(false);
  const hold = (on: boolean) => {
    held.current.hold(on);
    setPaused(on);
  };
  return (
    <Panel title="Live" note={paused ? "paused while you point at it" : undefined}>
      <div onPointerEnter={() => hold(true)} onPointerLeave={() => hold(false)}>
        <Loaded of={changes} rows={6}>
          {(data) => {
            const list = held.current.show(
              "feed",
              bursts(data.transitions).slice(0, shown),
              (b) => b.newest.id,
            );
            if (list.rows.length === 0)
              return <p className="px-4 pb-4 text-ink-2">Nothing has changed yet.</p>;
            return (
              <>
                <ol className="min-h-[294px]">
                  {list.rows.map((b) => (
                    <Entry key={b.newest.id} burst={b} />
                  ))}
                </ol>
                {list.waiting > 0 ? (
                  <p className="px-4 py-1 text-ink-3 text-small">{count(list.waiting)} newer</p>
                ) : null}
              </>
            );
          }}
        </Loaded>
      </div>
    </Panel>
  );
}

function Entry({ burst }: { burst: Burst }) {
  const { newest: t, count: many } = burst;
  const good = t.kind === "resolved";
  return (
    <li className="grid grid-cols-[16px_minmax(0,1fr)_minmax(0,auto)] gap-x-2 border-border border-t px-4 py-1">
      <span className={good ? "text-ok" : "pt-0.5"} aria-hidden>
        {good ? "✓" : <SeverityGlyph label={t.severity_label} />}
      </span>
      <span className="truncate">
        <span className={good ? "text-ok" : "text-ink-2"}>{verb[t.kind]} </span>
        {many > 1 ? (
          <Link
            to="/findings"
            search={{ policy: t.policy, group: "none" }}
            className="hover:underline"
          >
            {count(many)} × {t.policy_title}
          </Link>
        ) : (
          <Link
            to="/findings/$id"
            params={{ id: t.finding }}
            preload={false}
            className="hover:underline"
          >
            {t.policy_title}
          </Link>
        )}
      </span>
      <span className="text-right text-ink-3 text-small">
        <Ago at={t.at} />
      </span>
      <span className="col-start-2 truncate text-ink-2 text-small">
        {many > 1
          ? `${t.resource_name} and ${count(many - 1)} more`
          : [t.resource_name, t.account_name].filter(Boolean).join(" · ")}
      </span>
      <span className="max-w-[190px] truncate text-right text-ink-2 text-small">
        {causeLine(t.cause)}
      </span>
    </li>
  );
}
