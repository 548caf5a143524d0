import { fireEvent, screen, waitFor, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { beforeEach, expect, test } from "vitest";
import { emptyScope } from "~/policies/form";
import { type Answer, type Call, openApp } from "~/testing/app";

let generation: number;
let status: string;
let severity: number;
const policy = () => ({
  policy_id: "S3BucketPublic",
  title: "S3 bucket is public",
  description: "Judges buckets.",
  risk: "",
  service: "s3",
  category: "exposure",
  resource_type: "AWS::S3::Bucket",
  severity,
  severity_label: "critical",
  default_severity: 90,
  remediation: "",
  remediation_override: "",
  frameworks: {},
  params: [],
  uses_clock: false,
  scope: emptyScope,
  status,
  generation,
  open_findings: 14,
  passing: 26,
  failing: 14,
  unknown: 3,
  in_scope: 43,
  source: "",
  console: [],
  cli: "",
  terraform: "",
});
const path = "/policies/S3BucketPublic";
const tagged = (): Answer => ({
  status: 200,
  body: policy(),
  headers: { ETag: `"g${generation}"` },
});
const guarded = (then: (call: Call) => Answer) => (call: Call) =>
  call.headers.get("If-Match") === `"g${generation}"`
    ? then(call)
    : {
        status: 412,
        body: { title: "Changed", detail: "the policy was changed", request_id: "req-9" },
      };
const handlers = {
  [`GET ${path}`]: tagged,
  [`PUT ${path}`]: guarded((call) => {
    const body = call.body as { status?: string; severity?: number | null };
    if (body.status) status = body.status;
    if (body.severity !== undefined) severity = body.severity ?? 90;
    generation++;
    return { status: 200, body: { message: "saved", generation, job_id: "j_1" } };
  }),
  [`DELETE ${path}`]: guarded(() => {
    status = "available";
    return { status: 200, body: { message: "deleted", findings_deleted: 14 } };
  }),
  "GET /jobs": () => ({
    jobs: [
      {
        id: "j_1",
        kind: "policy",
        scope: "S3BucketPublic",
        reason: "edit",
        state: "running",
        started: "2026-11-23T12:00:00Z",
        pages: 8,
        done: 3,
        items: 120,
        failed: 0,
      },
    ],
  }),
};
beforeEach(() => {
  generation = 3;
  status = "active";
  severity = 90;
});

test("suspending sends the version and the page follows", async () => {
  const { calls } = await openApp(path, handlers);
  fireEvent.click(await screen.findByRole("button", { name: "Suspend" }));
  expect(await screen.findByRole("button", { name: "Resume" })).toBeTruthy();
  const put = calls.find((c) => c.method === "PUT");
  expect(put?.body).toEqual({ status: "suspended" });
  expect(put?.headers.get("If-Match")).toBe('"g3"');
});

test("an edit shows the progress of the job it started", async () => {
  await openApp(path, handlers);
  fireEvent.click(await screen.findByRole("button", { name: "Edit…" }));
  const dialog = await screen.findByRole("dialog");
  await userEvent.type(within(dialog).getByLabelText("Severity"), "55");
  fireEvent.click(within(dialog).getByRole("button", { name: "Save" }));
  expect(await screen.findByText(/running · 3 of 8 pages · 120 items/)).toBeTruthy();
  expect(severity).toBe(55);
});

test("an edit of a policy that somebody else changed saves nothing until the reader decides", async () => {
  const { calls } = await openApp(path, handlers);
  fireEvent.click(await screen.findByRole("button", { name: "Edit…" }));
  const dialog = await screen.findByRole("dialog");
  await userEvent.type(within(dialog).getByLabelText("Severity"), "55");
  generation = 4; // somebody else
  severity = 70;
  fireEvent.click(within(dialog).getByRole("button", { name: "Save" }));
  await within(dialog).findByText(/Somebody changed this policy/);
  expect(severity).toBe(70);
  fireEvent.click(within(dialog).getByRole("button", { name: "Keep what I entered" }));
  await within(dialog).findByText(/Saving now replaces the other change/);
  fireEvent.click(within(dialog).getByRole("button", { name: "Save" }));
  await waitFor(() => expect(severity).toBe(55));
  expect(calls.filter((c) => c.method === "PUT")).toHaveLength(2);
});

test("or takes over their version", async () => {
  await openApp(path, handlers);
  fireEvent.click(await screen.findByRole("button", { name: "Edit…" }));
  const dialog = await screen.findByRole("dialog");
  await userEvent.type(within(dialog).getByLabelText("Severity"), "55");
  generation = 4;
  severity = 70;
  fireEvent.click(within(dialog).getByRole("button", { name: "Save" }));
  fireEvent.click(await within(dialog).findByRole("button", { name: "Show their version" }));
  await waitFor(() =>
    expect((within(dialog).getByLabelText("Severity") as HTMLInputElement).value).toBe("70"),
  );
});

test("deleting needs the id typed, and says how many findings it resolves", async () => {
  const { calls, router } = await openApp(path, handlers);
  fireEvent.click(await screen.findByRole("button", { name: "Delete…" }));
  const dialog = await screen.findByRole("dialog");
  expect(await within(dialog).findByText("14 open findings")).toBeTruthy();
  const button = within(dialog).getByRole("button", { name: "Delete" }) as HTMLButtonElement;
  const input = within(dialog).getByLabelText(/Type S3BucketPublic/);
  await userEvent.type(input, "S3BucketPubli");
  expect(button.disabled).toBe(true);
  await userEvent.type(input, "c");
  fireEvent.click(button);
  await waitFor(() => expect(router.state.location.pathname).toBe("/policies"));
  expect(calls.find((c) => c.method === "DELETE")?.headers.get("If-Match")).toBe('"g3"');
  expect(await screen.findByText(/14 findings resolved/)).toBeTruthy();
});

test("a viewer may look and is told why nothing more", async () => {
  const meta = () => ({
    version: "t",
    demo: false,
    login: false,
    role: "viewer",
    severity_bands: [],
    started_at: "",
  });
  await openApp(path, { ...handlers, "GET /meta": meta });
  const edit = (await screen.findByRole("button", { name: "Edit…" })) as HTMLButtonElement;
  await waitFor(() => expect(edit.title).toContain("policy-author"));
  expect(edit.disabled).toBe(true);
});

test("a refusal of the server is shown field by field", async () => {
  const refused = () => ({
    status: 422,
    body: {
      title: "Unprocessable",
      detail: "the request has 1 mistake",
      request_id: "req-8",
      errors: [{ location: "body.scope.include_accounts[0]", message: "no such account" }],
    },
  });
  await openApp(path, { ...handlers, [`PUT ${path}`]: refused });
  fireEvent.click(await screen.findByRole("button", { name: "Edit…" }));
  const dialog = await screen.findByRole("dialog");
  fireEvent.click(within(dialog).getByRole("button", { name: "Save" }));
  expect(await within(dialog).findByText(/include_accounts\[0\]: no such account/)).toBeTruthy();
  expect(within(dialog).getByText(/req-8/)).toBeTruthy();
});

test("a policy that does not exist is a sentence, not a failure", async () => {
  await openApp("/policies/Nope", handlers);
  expect(await screen.findByText("There is no such policy")).toBeTruthy();
});
