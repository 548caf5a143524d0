import { expect, test } from "vitest";
import type { Version } from "~/api/types";
import { event } from "~/testing/samples";
import { causingVersion, versionBefore } from "./change";

const version = (n: number, ...ids: string[]): Version => ({
  version: n,
  observed_at: `2026-11-0${n}T00:00:00Z`,
  deleted: false,
  cause: {
    attribution: ids.length > 0 ? "exact" : "unknown",
    events: ids.map((id) => event({ id })),
  },
});
const versions = [version(4), version(3, "e-9"), version(2, "e-9"), version(1)];

test("the oldest version that names an event of the cause", () => {
  const cause = { attribution: "exact" as const, events: [event({ id: "e-9" })] };
  expect(causingVersion(versions, cause, "2026-11-09T00:00:00Z")?.version).toBe(2);
});

test("without a named event the newest that was read when the finding opened", () => {
  const cause = { attribution: "unknown" as const, events: [] };
  expect(causingVersion(versions, cause, "2026-11-03T12:00:00Z")?.version).toBe(3);
  expect(causingVersion(versions, cause, "2026-10-01T00:00:00Z")).toBeUndefined();
});

test("the version before may not be the number before", () => {
  const gaps = [version(9), version(4), version(2)];
  expect(versionBefore(gaps, 9)?.version).toBe(4);
  expect(versionBefore(gaps, 2)).toBeUndefined();
});
