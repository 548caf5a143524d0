import { useQuery } from "@tanstack/react-query";
import { lazy, type ReactNode, Suspense, useEffect } from "react";
import * as queries from "~/api/queries";
import { lagWords, span } from "~/lib/format";
import { useStreamState } from "~/live/LiveProvider";
import { Button } from "~/ui/Button";
import { Warning } from "~/ui/States";

const Simulate = lazy(() => import("./Simulate").then((m) => ({ default: m.Simulate })));

const lagLimitSeconds = 60;

/** The head of a page: its name, its count, and how far behind the world it is. */
export function PageHeader(props: { title: string; sub?: ReactNode; children?: ReactNode }) {
  const { title, sub, children } = props;
  const meta = useQuery(queries.meta());
  const state = useStreamState();
  const system = useQuery(queries.system());
  useEffect(() => {
    document.title = `${title} · qrie`;
  }, [title]);
  const lag = system.data?.lag_seconds;
  return (
    <>
      <header className="flex min-h-11 shrink-0 flex-wrap items-center gap-x-3 gap-y-1 border-border border-b bg-surface px-4 py-1">
        <h1 className="font-[650] text-[16px]">{title}</h1>
        {sub ? <div className="text-ink-2">{sub}</div> : null}
        <div className="ml-auto flex items-center gap-3">
          {children}
          {meta.data?.demo ? (
            <Suspense
              fallback={
                <Button kind="quiet" disabled>
                  Simulate a change
                </Button>
              }
            >
              <Simulate />
            </Suspense>
          ) : null}
          <LiveState />
        </div>
      </header>
      {state === "live" && lag !== undefined && lag > lagLimitSeconds ? (
        <Warning>
          The stream is {span(lag * 1000)} behind AWS. What is shown is that old; a low count may
          only mean that it has not been seen yet.
        </Warning>
      ) : null}
    </>
  );
}

export function LiveState() {
  const state = useStreamState();
  const system = useQuery(queries.system());
  const lag = system.data?.lag_seconds;
  const text =
    state === "live"
      ? lag === undefined
        ? "live · lag unknown"
        : `live · ${lagWords(lag)} behind`
      : state === "connecting"
        ? "connecting…"
        : "not live · read every 15 s";
  const dot =
    state === "live"
      ? lag !== undefined && lag > lagLimitSeconds
        ? "bg-medium-mark"
        : "bg-ok"
      : "border border-control";
  return (
    <p
      className="flex items-center gap-2 whitespace-nowrap text-ink-2"
      role="status"
      aria-live="off"
    >
      <span className={`size-[7px] rounded-full ${dot}`} aria-hidden />
      {text}
    </p>
  );
}
