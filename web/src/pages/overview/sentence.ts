import type { Finding } from "~/api/types";
import { count } from "~/lib/format";

export type News = { text: string; by?: string };

/** The day in one sentence: how many critical findings opened, and whose changes most of them were. */
export function newsOf(opened: Finding[], more: boolean): News {
  if (opened.length === 0) return { text: "No critical finding opened in the last 24 h" };
  const number = `${count(opened.length)}${more ? " or more" : ""}`;
  const text = `${number} critical ${opened.length === 1 ? "finding" : "findings"} opened in the last 24 h`;
  const actors = new Map<string, number>();
  for (const { cause } of opened) {
    const event = cause.events[0];
    if (cause.attribution !== "exact" || !event) continue;
    actors.set(event.actor.name, (actors.get(event.actor.name) ?? 0) + 1);
  }
  const [first] = [...actors].sort((a, b) => b[1] - a[1] || a[0].localeCompare(b[0]));
  // One of many is no news; the first among equals would be named by chance.
  if (!first || (first[1] === 1 && opened.length > 1)) return { text };
  return {
    text,
    by:
      first[1] === opened.length && !more ? `by ${first[0]}` : `${count(first[1])} by ${first[0]}`,
  };
}
