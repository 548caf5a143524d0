import { useMutation, useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useEffect, useRef } from "react";
import { call } from "~/api/client";
import * as queries from "~/api/queries";
import type { DemoApplied, DemoChange, Transition } from "~/api/types";
import { shortSpan } from "~/lib/format";
import { useTransitions } from "~/live/LiveProvider";
import { Button } from "~/ui/Button";
import { Menu, MenuItem, MenuLabel } from "~/ui/Menu";
import { toast } from "~/ui/Toasts";

const patienceMs = 60_000;

type Waiting = DemoApplied & { since: number };

/** Demo only: makes one change in the simulated organisation and waits for what qrie says of it. */
export function Simulate() {
  const changes = useQuery(queries.demoChanges());
  const waiting = useRef(new Map<string, Waiting>());
  const timers = useRef(new Set<ReturnType<typeof setTimeout>>());
  useEffect(() => {
    const running = timers.current;
    return () => {
      for (const timer of running) clearTimeout(timer);
    };
  }, []);

  const apply = useMutation({
    mutationFn: async (change: DemoChange) => {
      const { data } = await call<DemoApplied>("/demo/changes", {
        method: "POST",
        body: { id: change.id },
      });
      return data;
    },
    onSuccess: (applied) => {
      const id = applied.event_id;
      waiting.current.set(id, { ...applied, since: Date.now() });
      toast({
        id,
        lasting: true,
        body: <Called applied={applied}>waiting for the finding…</Called>,
      });
      const timer = setTimeout(() => {
        timers.current.delete(timer);
        if (!waiting.current.delete(id)) return;
        toast({
          id,
          body: (
            <Called applied={applied}>
              no finding has changed within {shortSpan(patienceMs)}. A policy for it may not be
              launched.
            </Called>
          ),
        });
      }, patienceMs);
      timers.current.add(timer);
    },
    onError: (error, change) =>
      toast({ id: change.id, body: `${change.title} was not made: ${error.message}` }),
  });

  useTransitions((batch) => {
    for (const [id, applied] of waiting.current) {
      const hit = batch.find((t) => isAnswer(t, applied));
      if (!hit) continue;
      waiting.current.delete(id);
      toast({ id, lasting: true, body: <Arrived applied={applied} transition={hit} /> });
    }
  });

  const list = changes.data ?? [];
  const group = (title: string, of: DemoChange[]) =>
    of.length === 0 ? null : (
      <>
        <MenuLabel>{title}</MenuLabel>
        {of.map((change) => (
          <MenuItem key={change.id} onSelect={() => apply.mutate(change)}>
            {change.title}
          </MenuItem>
        ))}
      </>
    );
  return (
    <Menu label="Simulate a change" trigger={<Button kind="quiet">Simulate a change</Button>}>
      {changes.error ? <MenuLabel>The list of changes could not be read.</MenuLabel> : null}
      {group(
        "Makes something wrong",
        list.filter((c) => c.bad),
      )}
      {group(
        "Makes something right",
        list.filter((c) => !c.bad),
      )}
    </Menu>
  );
}

/** Whether a transition was caused by the change that was made. */
export function isAnswer(t: Transition, applied: DemoApplied): boolean {
  if (t.cause.events.some((e) => e.id === applied.event_id)) return true;
  return t.resource_id === applied.resource_id || (applied.arn !== "" && t.arn === applied.arn);
}

function Called({ applied, children }: { applied: DemoApplied; children: React.ReactNode }) {
  return (
    <p>
      <strong>{applied.actor}</strong> called <strong>{applied.event_name}</strong> on{" "}
      <span className="break-all">{applied.arn || applied.resource_id}</span>: {children}
    </p>
  );
}

function Arrived({ applied, transition }: { applied: Waiting; transition: Transition }) {
  const took = shortSpan(Date.now() - applied.since);
  return (
    <p>
      <strong>{applied.actor}</strong> called <strong>{applied.event_name}</strong>. After {took},
      finding {transition.kind}:{" "}
      <Link className="link" to="/findings/$id" params={{ id: transition.finding }}>
        {transition.policy_title} on {transition.resource_name}
      </Link>
    </p>
  );
}
