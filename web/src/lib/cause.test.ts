import { describe, expect, test } from "vitest";
import { event } from "~/testing/samples";
import { causeLine, causeWords } from "./cause";

const now = Date.parse("2026-11-23T12:30:00Z");

describe("the words of a cause", () => {
  test("exact: who called what, when, and how", () => {
    const words = causeWords({ attribution: "exact", events: [event()] }, now, 8000);
    expect(words).toEqual({
      actor: "deploy-bot",
      action: "PutBucketPolicy",
      when: "12:04:07 UTC",
      details: ["role/ci-deployer via OIDC", "Terraform 1.14", "203.0.113.9", "detected in 8.0 s"],
    });
  });

  test("ambiguous: one event that may be it, and may not", () => {
    const cause = { attribution: "ambiguous" as const, events: [event()] };
    expect(causeLine(cause)).toMatch(/^perhaps /);
    expect(causeWords(cause, now).headline).toContain("may have made the change");
  });

  test("ambiguous: nobody is named in the sentence", () => {
    const cause = { attribution: "ambiguous" as const, events: [event(), event({ id: "e-2" })] };
    const words = causeWords(cause, now);
    expect(words.actor).toBeUndefined();
    expect(words.headline).toBe("One of 2 events made this change; which one cannot be told");
    expect(causeLine(cause)).toBe("one of 2 events");
  });

  test.each([
    [
      { after: "2026-11-20T01:00:00Z", before: "2026-11-21T02:00:00Z" },
      "Change time unknown, between 2026-11-20 01:00:00 UTC and 2026-11-21 02:00:00 UTC",
    ],
    [{ before: "2026-11-21T02:00:00Z" }, "Change time unknown, before 2026-11-21 02:00:00 UTC"],
    [{ after: "2026-11-20T01:00:00Z" }, "Change time unknown, after 2026-11-20 01:00:00 UTC"],
    [{}, "Who made this change, and when, is not known"],
  ])("unknown with %j", (bounds, want) => {
    expect(causeWords({ attribution: "unknown", events: [], ...bounds }, now).headline).toBe(want);
  });

  test("unknown: events at hand are not taken for the cause", () => {
    const words = causeWords(
      { attribution: "unknown", events: [event()], note: "found by scan" },
      now,
    );
    expect(words.actor).toBeUndefined();
    expect(words.details).toEqual(["found by scan"]);
  });

  test("an exact cause without its event claims nothing", () => {
    expect(causeWords({ attribution: "exact", events: [] }, now).actor).toBeUndefined();
    expect(causeLine({ attribution: "exact", events: [] })).toBe("cause unknown");
  });
});
