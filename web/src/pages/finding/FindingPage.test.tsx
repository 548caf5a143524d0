import { fireEvent, screen, waitFor } from "@testing-library/react";
import { expect, test } from "vitest";
import { openApp } from "~/testing/app";
import { event, finding, transition } from "~/testing/samples";

const detail = (change: object = {}) => ({
  ...finding(),
  evidence: {
    violations: [{ statement: "Open" }],
    pointers: ["/Policy/Statement/0/Principal"],
    total: 1,
  },
  document: { Policy: { Statement: [{ Principal: "*", Effect: "Allow" }] } },
  resource_deleted: false,
  policy_detail: { description: "", risk: "", category: "", frameworks: {}, params: {} },
  remediation: {
    text: "Close it.",
    console: ["Open the console"],
    cli: "aws s3api x",
    terraform: "",
  },
  timeline: [transition({ detected_in_ms: 1400 })],
  other_findings: [],
  ...change,
});
const at = (change: object = {}) => ({ "GET /findings/f_aaaa": () => detail(change) });

test("the cause comes first: who, what, when, how, how fast", async () => {
  await openApp("/findings/f_aaaa", at());
  const card = await screen.findByRole("region", { name: "Cause" });
  expect(card.textContent).toContain("deploy-bot called PutBucketPolicy");
  expect(card.textContent).toContain(
    "role/ci-deployer via OIDC · Terraform 1.14 · 203.0.113.9 · detected in 1.4 s",
  );
});

test("an ambiguous cause lists every candidate", async () => {
  const events = [event(), event({ id: "e-2", name: "DeletePublicAccessBlock" })];
  await openApp("/findings/f_aaaa", at({ cause: { attribution: "ambiguous", events } }));
  const card = await screen.findByRole("region", { name: "Cause" });
  expect(card.querySelectorAll("li")).toHaveLength(2);
});

test("the evidence marks the offending member", async () => {
  const { container } = await openApp("/findings/f_aaaa", at());
  await screen.findByText("Policy.Statement[0].Principal");
  const marked = [...container.querySelectorAll("[data-marked]")].map((e) => e.textContent);
  expect(marked).toEqual(['"Principal": "*",']);
});

test("a finding that cannot be evaluated any more says so", async () => {
  await openApp("/findings/f_aaaa", at({ unknown: "needs s3:GetBucketPolicy" }));
  expect(
    await screen.findByText(/Cannot be evaluated at present.*s3:GetBucketPolicy/),
  ).toBeTruthy();
});

test("a resolved one says why, and what resolved it", async () => {
  await openApp(
    "/findings/f_aaaa",
    at({
      state: "RESOLVED",
      resolution: "fixed",
      resolved_at: "2026-11-23T13:00:00Z",
      resolved_cause: { attribution: "exact", events: [event({ name: "DeleteBucketPolicy" })] },
    }),
  );
  expect((await screen.findByRole("region", { name: "What resolved it" })).textContent).toContain(
    "DeleteBucketPolicy",
  );
});

test("Fix steps opens the fix, and the tab is in the address", async () => {
  const { router } = await openApp("/findings/f_aaaa", at());
  fireEvent.click(await screen.findByRole("button", { name: "Fix steps" }));
  expect(await screen.findByText("aws s3api x")).toBeTruthy();
  await waitFor(() => expect(router.state.location.search).toEqual({ tab: "fix" }));
});

test("the change compares the causing version with the one before it", async () => {
  const version = (n: number, open: boolean) => ({
    version: n,
    observed_at: `2026-11-2${n}T12:00:00Z`,
    deleted: false,
    cause:
      n === 2
        ? { attribution: "exact", events: [event()] }
        : { attribution: "unknown", events: [] },
    configuration: { Policy: { Principal: open ? "*" : "owner" } },
  });
  await openApp("/findings/f_aaaa?tab=change", {
    ...at(),
    "GET /resources/r_aaaa/history": () => ({
      versions: [version(3, true), version(2, true), version(1, false)],
    }),
    "GET /resources/r_aaaa/history/1": () => version(1, false),
    "GET /resources/r_aaaa/history/2": () => version(2, true),
  });
  const region = await screen.findByRole("region", { name: "What the change did" });
  expect(region.textContent).toContain('removed     "Principal": "owner"');
  expect(region.textContent).toContain('added     "Principal": "*"');
});
