import { describe, expect, test } from "vitest";
import type { Param, Policy } from "~/api/types";
import {
  bodyOf,
  emptyScope,
  formOf,
  launchBody,
  parseParam,
  parseTags,
  scopeWords,
  tagText,
} from "./form";

const ports: Param = {
  name: "ports",
  type: "list(int)",
  help: "",
  default: [22, 3389],
  min: 0,
  max: 65535,
};
const policy = (change: Partial<Policy> = {}): Policy =>
  ({
    policy_id: "P",
    severity: 75,
    default_severity: 75,
    remediation_override: "",
    params: [ports],
    scope: emptyScope,
    status: "available",
    ...change,
  }) as Policy;

test("an untouched form launches the policy as it is", () => {
  const p = policy();
  const { body, errors } = bodyOf(formOf(p), p);
  expect(errors).toEqual({});
  expect(launchBody(p, body)).toEqual({
    policy_id: "P",
    scope: emptyScope,
    params: { ports: [22, 3389] },
  });
});

test("an edited form sends back what the launch holds", () => {
  const p = policy({
    status: "active",
    severity: 40,
    remediation_override: "Ask **security**.",
    scope: {
      ...emptyScope,
      include_accounts: ["111122223333"],
      include_tags: { env: ["prod", "staging"], team: [] },
      exclude_ou_paths: ["/sandbox"],
    },
  });
  const { body, errors } = bodyOf(formOf(p), p);
  expect(errors).toEqual({});
  expect(body).toEqual({
    scope: p.scope,
    severity: 40,
    remediation: "Ask **security**.",
    params: { ports: [22, 3389] },
  });
});

test("an emptied severity is the policy's own again", () => {
  const p = policy({ status: "active", severity: 40 });
  expect(bodyOf({ ...formOf(p), severity: "" }, p).body.severity).toBeNull();
  expect(launchBody(p, { severity: null })).toEqual({ policy_id: "P" });
});

test.each([
  [{ severity: "101" }, "severity"],
  [{ severity: "4.5" }, "severity"],
  [{ includeTags: "env" }, "includeTags"],
  [{ excludeTags: "=x" }, "excludeTags"],
  [{ includeAccounts: ["1"], excludeAccounts: ["1"] }, "excludeAccounts"],
  [{ params: { ports: "22, ssh" } }, "param ports"],
])("%j is refused at %s", (change, field) => {
  const p = policy();
  expect(Object.keys(bodyOf({ ...formOf(p), ...change }, p).errors)).toEqual([field]);
});

describe("parameters", () => {
  test.each([
    ["list(int)", "22, 3389", { value: [22, 3389] }],
    ["list(int)", "", { value: [] }],
    ["list(int)", "70000", { error: "At most 65535" }],
    ["list(string)", "a, b", { value: ["a", "b"] }],
    ["int", "7", { value: 7 }],
    ["int", "", { error: "“” is not a whole number" }],
    ["string", " a b ", { value: "a b" }],
    ["bool", "true", { value: true }],
    ["bool", "", { value: false }],
  ])("%s from %j", (type, text, want) => {
    expect(parseParam({ ...ports, type }, text)).toEqual(want);
  });
});

test("tags survive the round trip through text", () => {
  const tags = { env: ["prod", "staging"], "cost=centre": [] };
  expect(parseTags(tagText({ env: tags.env })).tags).toEqual({ env: tags.env });
  expect(parseTags("env=prod\nenv=dev").tags).toEqual({ env: ["prod", "dev"] });
});

test("a scope in words", () => {
  expect(scopeWords(emptyScope)).toBe("everything");
  expect(
    scopeWords({
      ...emptyScope,
      include_tags: { env: ["prod", "dev"] },
      exclude_accounts: ["1", "2", "3"],
    }),
  ).toBe("tags env=prod|dev · not accounts 3");
});
