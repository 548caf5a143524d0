import { screen, waitFor } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { expect, test } from "vitest";
import type { DemoApplied } from "~/api/types";
import { emit, openApp } from "~/testing/app";
import { event, transition } from "~/testing/samples";
import { isAnswer } from "./Simulate";

const applied: DemoApplied = {
  arn: "arn:aws:s3:::b",
  resource_id: "r_b",
  event_name: "PutBucketPolicy",
  event_id: "e-77",
  actor: "deploy-bot",
};

test("a change is announced, and the finding it causes is linked when it arrives", async () => {
  const { calls } = await openApp("/accounts", {
    "GET /meta": () => ({
      version: "t",
      demo: true,
      login: false,
      role: "admin",
      severity_bands: [],
      started_at: "",
    }),
    "GET /demo/changes": () => [
      { id: "open", title: "Open a bucket", resource_type: "AWS::S3::Bucket", bad: true },
    ],
    "POST /demo/changes": () => applied,
  });
  const button = () => screen.getByRole<HTMLButtonElement>("button", { name: "Simulate a change" });
  await waitFor(() => expect(button().disabled).toBe(false));
  await userEvent.click(button());
  await userEvent.click(await screen.findByRole("menuitem", { name: "Open a bucket" }));
  expect(await screen.findByText(/waiting for the finding/)).toBeTruthy();
  expect(calls.find((c) => c.method === "POST")?.body).toEqual({ id: "open" });
  await emit(
    transition({
      id: "t_other",
      resource_id: "r_other",
      arn: "x",
      cause: { attribution: "unknown", events: [] },
    }),
    transition({ id: "t_hit", finding: "f_hit", arn: "y", resource_id: "r_b" }),
  );
  const link = await screen.findByRole("link", { name: /S3 bucket is public on/ });
  expect(link.getAttribute("href")).toBe("/findings/f_hit");
  await waitFor(() => expect(screen.queryByText(/waiting for the finding/)).toBeNull());
});

test("a transition answers a change by its event, its resource or its ARN, and by nothing else", () => {
  const none = {
    arn: "z",
    resource_id: "r_z",
    cause: { attribution: "unknown" as const, events: [] },
  };
  expect(isAnswer(transition(none), applied)).toBe(false);
  expect(isAnswer(transition({ ...none, resource_id: "r_b" }), applied)).toBe(true);
  expect(isAnswer(transition({ ...none, arn: applied.arn }), applied)).toBe(true);
  const cause = { attribution: "exact" as const, events: [event({ id: "e-77" })] };
  expect(isAnswer(transition({ ...none, cause }), applied)).toBe(true);
  expect(isAnswer(transition({ ...none, arn: "" }), { ...applied, arn: "" })).toBe(false);
});
