// Puts a cause into words. A cause that is not exact is never worded as if it
// were: an ambiguous one lists its candidates, an unknown one gives the two
// observations that the change lies between.
import type { Cause, CauseEvent } from "~/api/types";
import { absolute, isTime, moment, shortSpan } from "./format";

export type CauseWords = {
  /** Set only for an exact cause: who did what, and when. */
  actor?: string;
  action?: string;
  when?: string;
  /** The sentence of a cause that is not exact. */
  headline?: string;
  /** Facts beside it, in reading order. */
  details: string[];
};

export function causeWords(cause: Cause, now: number, detectedInMs?: number): CauseWords {
  const event = cause.events[0];
  const detected = detectedInMs === undefined ? [] : [`detected in ${shortSpan(detectedInMs)}`];
  if (cause.attribution === "exact" && event) {
    return {
      actor: event.actor.name || "an unnamed caller",
      action: event.name,
      when: moment(event.time, now),
      details: [...eventDetails(event), ...note(cause), ...detected],
    };
  }
  if (cause.attribution === "ambiguous" && cause.events.length > 0) {
    return {
      headline:
        cause.events.length === 1
          ? "This event may have made the change; it may also be older, or by somebody who was not seen"
          : `One of ${cause.events.length} events made this change; which one cannot be told`,
      details: [...note(cause), ...detected],
    };
  }
  return { headline: unknownHeadline(cause), details: note(cause) };
}

function unknownHeadline(cause: Cause): string {
  const after = isTime(cause.after);
  const before = isTime(cause.before);
  if (after && before) {
    return `Change time unknown, between ${absolute(cause.after as string)} and ${absolute(cause.before as string)}`;
  }
  if (before) return `Change time unknown, before ${absolute(cause.before as string)}`;
  if (after) return `Change time unknown, after ${absolute(cause.after as string)}`;
  return "Who made this change, and when, is not known";
}

function note(cause: Cause): string[] {
  return cause.note ? [cause.note] : [];
}

/** "role/ci-deployer via OIDC", the tool, the address. */
export function eventDetails(event: CauseEvent): string[] {
  const { actor } = event;
  const role = actor.role ? `role/${actor.role}` : actor.kind === "root" ? "root user" : "";
  const via = actor.via ? `via ${actor.via}` : "";
  const who = [role, via].filter(Boolean).join(" ");
  const identity = actor.identity && actor.identity !== actor.name ? actor.identity : "";
  return [who, identity, actor.tool ?? "", event.source_ip ?? ""].filter(Boolean);
}

/** One short line, for rows and the live feed: "deploy-bot · PutBucketPolicy". */
export function causeLine(cause: Cause): string {
  const event = cause.events[0];
  if (cause.attribution === "exact" && event) return `${event.actor.name} · ${event.name}`;
  if (cause.attribution === "ambiguous" && event) {
    return cause.events.length === 1
      ? `perhaps ${event.actor.name} · ${event.name}`
      : `one of ${cause.events.length} events`;
  }
  return cause.note ?? "cause unknown";
}

/** Where the CloudTrail console shows the event. */
export function cloudTrailUrl(event: CauseEvent): string {
  const region = encodeURIComponent(event.region);
  return `https://${region}.console.aws.amazon.com/cloudtrailv2/home?region=${region}#/events/${encodeURIComponent(event.id)}`;
}
