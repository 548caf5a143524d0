import { useQuery } from "@tanstack/react-query";
import type { ReactNode } from "react";
import * as queries from "~/api/queries";
import type { Cause, CauseEvent } from "~/api/types";
import { causeWords, cloudTrailUrl, eventDetails } from "~/lib/cause";
import { useClock } from "~/lib/clock";
import { absolute, date, moment } from "~/lib/format";

/** Who made it wrong, and when: the first thing a reader of a finding wants to know. */
export function CauseCard(props: {
  cause: Cause;
  detectedInMs?: number | undefined;
  good?: boolean;
}) {
  const { cause, detectedInMs, good } = props;
  const today = useClock((now) => date(new Date(now).toISOString()));
  const words = causeWords(cause, Date.parse(today), detectedInMs);
  const event = cause.attribution === "exact" ? cause.events[0] : undefined;
  return (
    <section
      aria-label={good ? "What resolved it" : "Cause"}
      className={`rounded-r border-l-[3px] bg-sunken px-3 py-2 ${good ? "border-l-ok" : cause.attribution === "exact" ? "border-l-critical-mark" : "border-l-control"}`}
    >
      <p>
        {words.headline ?? (
          <>
            <strong>{words.actor}</strong> called <strong>{words.action}</strong> at{" "}
            <time dateTime={event?.time} title={event ? absolute(event.time) : undefined}>
              {words.when}
            </time>
          </>
        )}
      </p>
      {words.details.length > 0 ? <p className="text-ink-2">{words.details.join(" · ")}</p> : null}
      {event ? <EventLink event={event} /> : null}
      {cause.attribution === "ambiguous" ? (
        <ul className="mt-1 space-y-0.5">
          {cause.events.map((candidate) => (
            <Candidate key={candidate.id} event={candidate} today={today} />
          ))}
        </ul>
      ) : null}
    </section>
  );
}

function Candidate({ event, today }: { event: CauseEvent; today: string }) {
  return (
    <li>
      <strong>{event.actor.name}</strong> {event.name}{" "}
      <time dateTime={event.time} title={absolute(event.time)}>
        {moment(event.time, Date.parse(today))}
      </time>{" "}
      <span className="text-ink-2">{eventDetails(event).join(" · ")}</span>
    </li>
  );
}

function EventLink({ event }: { event: CauseEvent }): ReactNode {
  const demo = useQuery(queries.meta()).data?.demo;
  // A simulated event is in no CloudTrail, so there is nothing to link to.
  if (demo) return <p className="text-ink-3 text-small">Event {event.id}</p>;
  return (
    <a className="link" href={cloudTrailUrl(event)} target="_blank" rel="noreferrer">
      CloudTrail event
    </a>
  );
}
