import { describe, expect, test } from "vitest";
import * as f from "./format";

const now = Date.parse("2026-11-23T12:04:15Z");

describe("numbers", () => {
  test.each([
    [0, 10, "0 %"],
    [1, 1000, "<1 %"],
    [999, 1000, ">99 %"],
    [1000, 1000, "100 %"],
    [1, 3, "33 %"],
    [0, 0, "none"],
  ])("a share of %d in %d", (part, whole, want) => expect(f.share(part, whole)).toBe(want));

  test("counts are grouped", () => expect(f.count(1024331)).toBe("1,024,331"));
  test.each([
    [1, "1 finding"],
    [0, "0 findings"],
    [2000, "2,000 findings"],
  ])("%d is plural or not", (n, want) => expect(f.plural(n, "finding")).toBe(want));
  test("an account id is cut in fours, anything else is left", () => {
    expect(f.accountId("111122223333")).toBe("1111 2222 3333");
    expect(f.accountId("everything")).toBe("everything");
  });
});

describe("times", () => {
  test.each([
    [0, "0 s"],
    [59_999, "59 s"],
    [60_000, "1 min"],
    [3_599_999, "59 min"],
    [3_600_000, "1 h"],
    [47 * 3_600_000, "47 h"],
    [48 * 3_600_000, "2 d"],
    [-5, "0 s"],
  ])("a span of %d ms", (ms, want) => expect(f.span(ms)).toBe(want));
  test.each([
    [740, "740 ms"],
    [1240, "1.2 s"],
    [10_900, "10 s"],
    [-3, "0 ms"],
  ])("a short span of %d ms", (ms, want) => expect(f.shortSpan(ms)).toBe(want));
  test("a moment of today is a clock, one of another day has its date", () => {
    expect(f.moment("2026-11-23T12:04:07Z", now)).toBe("12:04:07 UTC");
    expect(f.moment("2026-11-22T23:59:59Z", now)).toBe("2026-11-22 23:59:59 UTC");
  });
  test("the future by a skewed clock reads as now", () =>
    expect(f.ago("2026-11-23T12:04:20Z", now)).toBe("now"));
  test("Go's zero time is no time", () => {
    expect(f.isTime("0001-01-01T00:00:00Z")).toBe(false);
    expect(f.isTime(undefined)).toBe(false);
    expect(f.isTime("2026-11-23T12:04:20Z")).toBe(true);
  });
  test("a lag that nobody measured is unknown, not zero", () => {
    expect(f.lagWords(undefined)).toBe("unknown");
    expect(f.lagWords(0.2)).toBe("under 1 s");
    expect(f.lagWords(95)).toBe("1 min");
  });
});

test("a reason of resolving that is not known yet is still readable", () => {
  expect(f.resolution("policy_deleted")).toBe("policy deleted");
  expect(f.resolution("moved_elsewhere")).toBe("moved elsewhere");
  expect(f.resolution(undefined)).toBe("");
});

test("words of the catalogue are written for people", () => {
  expect(f.sentence("data_protection")).toBe("Data protection");
  expect(f.frameworkName("cis-aws-3.0")).toBe("CIS AWS 3.0");
  expect(f.frameworkName("nist-800-53-r5")).toBe("NIST 800 53 R5");
  expect(f.frameworkName("hipaa-security-rule")).toBe("HIPAA Security Rule");
});
