import { screen } from "@testing-library/react";
import { expect, test } from "vitest";
import { openApp } from "~/testing/app";

const resource = {
  id: "r_a",
  arn: "arn:aws:s3:::b",
  name: "b",
  account_id: "111122223333",
  account_name: "prod",
  account_service: "111122223333_s3",
  service: "s3",
  resource_type: "AWS::S3::Bucket",
  type_title: "S3 bucket",
  region: "eu-west-1",
  last_seen_at: "2026-11-23T12:00:00Z",
  observed_at: "2026-11-23T12:00:00Z",
  changed_at: "2026-11-23T12:00:00Z",
  first_seen: "2026-11-23T12:00:00Z",
  deleted: false,
  unfinished: false,
  open_findings: 0,
  missing: [{ member: "Policy", code: "AccessDenied", action: "s3:GetBucketPolicy" }],
  tags: {},
  configuration: { Versioning: { Status: "Enabled" } },
  version: 1,
  cause: { attribution: "unknown", events: [] },
  findings: [],
  versions: [],
  verdicts: [
    {
      policy: "A",
      policy_title: "Passing one",
      outcome: "pass",
      severity: 90,
      severity_label: "critical",
    },
    {
      policy: "B",
      policy_title: "Unseen one",
      outcome: "unknown",
      severity: 60,
      severity_label: "medium",
      reason: "needs s3:GetBucketPolicy",
    },
  ],
};
const handlers = { "GET /resources/r_a": () => resource };

test("what could not be seen is named with the action that is lacking", async () => {
  await openApp("/inventory/r_a", handlers);
  expect(await screen.findByText(/Parts of this resource could not be seen/)).toBeTruthy();
  expect(screen.getByText("s3:GetBucketPolicy")).toBeTruthy();
  expect(screen.getByText("1 unknown")).toBeTruthy();
});

test("what AWS is still at work on says so", async () => {
  const database = { ...resource, unfinished: true };
  await openApp("/inventory/r_a", { "GET /resources/r_a": () => database });
  expect(await screen.findByText(/AWS is still at work on this resource/)).toBeTruthy();
});

test("unknown verdicts stand before those that pass, with their reason", async () => {
  await openApp("/inventory/r_a?tab=verdicts", handlers);
  const items = (await screen.findByText("Unseen one")).closest("ul")?.querySelectorAll("li");
  expect(items?.[0]?.textContent).toContain("unknown");
  expect(items?.[0]?.textContent).toContain("needs s3:GetBucketPolicy");
  expect(items?.[1]?.textContent).toContain("passes");
});
