import type { Transition } from "~/api/types";

/** Transitions that one thing without an event made together, such as a scan or an edited policy. */
export type Burst = { newest: Transition; count: number };

/** Joins neighbours of the same policy and kind that no event explains, newest first. */
export function bursts(transitions: Transition[]): Burst[] {
  const out: Burst[] = [];
  for (const t of transitions) {
    const last = out.at(-1);
    if (last && together(last.newest, t)) last.count++;
    else out.push({ newest: t, count: 1 });
  }
  return out;
}

function together(a: Transition, b: Transition): boolean {
  return (
    a.cause.events.length === 0 &&
    b.cause.events.length === 0 &&
    a.policy === b.policy &&
    a.kind === b.kind &&
    a.cause.note === b.cause.note
  );
}
