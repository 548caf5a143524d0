import { screen } from "@testing-library/react";
import { describe, expect, test } from "vitest";
import type { Dashboard, Week } from "~/api/types";
import { emit, openApp } from "~/testing/app";
import { event, finding, transition } from "~/testing/samples";
import { bursts } from "./bursts";
import { newsOf } from "./sentence";
import { nice, trendTitle } from "./Trend";

const by = (name: string) =>
  finding({
    cause: { attribution: "exact", events: [event({ actor: { ...event().actor, name } })] },
  });
const unsure = finding({ cause: { attribution: "ambiguous", events: [event(), event()] } });

describe("the sentence of the day", () => {
  test.each([
    [[], false, "No critical finding opened in the last 24 h", undefined],
    [[by("alice")], false, "1 critical finding opened in the last 24 h", "by alice"],
    [
      [by("bot"), by("alice"), by("bot")],
      false,
      "3 critical findings opened in the last 24 h",
      "2 by bot",
    ],
    [[by("bot"), by("alice")], false, "2 critical findings opened in the last 24 h", undefined],
    [[unsure, unsure], false, "2 critical findings opened in the last 24 h", undefined],
    [
      [by("bot"), by("bot")],
      true,
      "2 or more critical findings opened in the last 24 h",
      "2 by bot",
    ],
  ])("%#", (list, more, text, who) => {
    expect(newsOf(list, more)).toEqual(who ? { text, by: who } : { text });
  });
});

const week = (open: number): Week => ({
  week_start: "2026-11-16",
  total_findings: 0,
  open_findings: open,
  new_findings: 0,
  closed_findings: 0,
  critical_new: 0,
  is_current: false,
});

test("the title of the trend states the fact", () => {
  expect(trendTitle([])).toBe("No week has been counted yet");
  expect(trendTitle([week(5), week(5)])).toBe("5 open, as many as at the end of last week");
  expect(trendTitle([week(1200), week(5)])).toBe(
    "5 open, 1,195 fewer than at the end of last week",
  );
});

test.each([
  [0, 2],
  [1, 2],
  [7, 8],
  [108, 120],
  [1000, 1000],
  [9500, 10000],
])("an axis for %d ends at %d", (n, want) => expect(nice(n)).toBe(want));

test("what a scan or an edit did to many findings is one entry; what events did is not", () => {
  const scanned = (id: string, policy = "A") =>
    transition({
      id,
      policy,
      cause: { attribution: "unknown", events: [], note: "found by a scan" },
    });
  const list = [
    scanned("1"),
    scanned("2"),
    scanned("3", "B"),
    transition({ id: "4" }),
    transition({ id: "5" }),
    transition({ id: "6", kind: "resolved", cause: scanned("x").cause }),
  ];
  expect(bursts(list).map((b) => [b.newest.id, b.count])).toEqual([
    ["1", 2],
    ["3", 1],
    ["4", 1],
    ["5", 1],
    ["6", 1],
  ]);
});

test("the page shows coverage beside the counts, and what happens as it happens", async () => {
  const dashboard: Partial<Dashboard> = {
    findings_weekly: [],
    top_accounts: [],
    generated_at: "2026-11-23T12:00:00Z",
    stale: true,
    coverage: { accounts: 12, resources: 260, evaluated: 700, unknown: 11 },
    score: { note: "nothing judged" },
    anti_entropy: { drift_detected: true },
  };
  await openApp("/", {
    "GET /summary/dashboard": () => dashboard,
    "GET /changes": () => ({ transitions: [], newest: 0 }),
    "GET /accounts": () => [{ account_id: "1", name: "prod" }],
    "GET /findings": () => ({
      findings: [],
      meta: { total_exact: false, as_of: "2026-11-23T12:00:00Z" },
    }),
  });
  expect(await screen.findByText("11 checks (2 %) could not be made")).toBeTruthy();
  expect(screen.getByTitle("nothing judged").textContent).toBe("Scoreunknown"); // and not zero
  expect(screen.getByText("overdue")).toBeTruthy();
  expect(screen.getByText("Nothing has changed yet.")).toBeTruthy();
  await emit(transition({ id: "t_feed" }));
  expect(await screen.findByText("deploy-bot · PutBucketPolicy")).toBeTruthy();
});
