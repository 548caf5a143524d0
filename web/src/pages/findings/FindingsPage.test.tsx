import { fireEvent, screen, waitFor, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { beforeEach, describe, expect, test } from "vitest";
import type { Finding, PolicySummary } from "~/api/types";
import { emit, openApp } from "~/testing/app";
import { finding, transition } from "~/testing/samples";

const group = (change: Partial<PolicySummary> = {}): PolicySummary => ({
  policy: "S3BucketPublic",
  title: "S3 bucket is public",
  service: "s3",
  severity: 90,
  severity_label: "critical",
  status: "active",
  total_findings: 1,
  open_findings: 1,
  resolved_findings: 0,
  failing: 1,
  in_scope: 40,
  unknown: 2,
  accounts: 1,
  last_opened_at: "2026-11-23T12:04:08Z",
  ...change,
});

let groups: PolicySummary[];
let list: Finding[];
const handlers = {
  "GET /summary/findings": () => ({
    open_findings: groups.reduce((n, g) => n + g.open_findings, 0),
    policies: groups,
    as_of: "2026-11-23T12:04:10Z",
  }),
  "GET /findings": () => ({
    findings: list,
    meta: { total: list.length, total_exact: true, as_of: "2026-11-23T12:04:10Z" },
  }),
};
beforeEach(() => {
  groups = [group()];
  list = [finding()];
});

const rows = () => screen.getAllByRole("row").slice(1);

describe("grouped by policy", () => {
  test("shows the share that fails, and what could not be evaluated", async () => {
    await openApp("/findings", handlers);
    const row = (await screen.findByText("S3 bucket is public")).closest(
      "[role=row]",
    ) as HTMLElement;
    expect(row.textContent).toContain("Critical");
    expect(row.textContent).toContain("1 / 40");
    expect(row.textContent).toContain("2 unknown");
    expect(screen.getByText(/1 open · 2 could not be evaluated · as of 12:04:10 UTC/)).toBeTruthy();
  });

  test("a group opens to its findings, and a finding opens beside the list and in the address", async () => {
    const { router } = await openApp("/findings", handlers);
    fireEvent.click(await screen.findByText("S3 bucket is public"));
    fireEvent.click(await screen.findByText("arn:aws:s3:::prod-billing-exports"));
    await waitFor(() => expect(router.state.location.search).toEqual({ peek: "f_aaaa" }));
    expect(await screen.findByRole("complementary", { name: "Finding" })).toBeTruthy();
    expect(rows()[1]?.getAttribute("aria-selected")).toBe("true");
    expect(rows()[1]?.getAttribute("aria-level")).toBe("2");
  });

  test("keys move, open and close", async () => {
    const { router } = await openApp("/findings", handlers);
    await screen.findByText("S3 bucket is public");
    await userEvent.keyboard("j");
    await waitFor(() => expect(document.activeElement?.getAttribute("role")).toBe("row"));
    await userEvent.keyboard("{ArrowRight}");
    await screen.findByText("arn:aws:s3:::prod-billing-exports");
    await userEvent.keyboard("j");
    await waitFor(() => expect(document.activeElement?.getAttribute("aria-level")).toBe("2"));
    await userEvent.keyboard("{Enter}");
    await waitFor(() => expect(router.state.location.search).toEqual({ peek: "f_aaaa" }));
    await userEvent.keyboard("{Escape}");
    await waitFor(() => expect(router.state.location.search).toEqual({}));
  });

  test("the focus on a row that goes passes to the row in its place", async () => {
    let release = () => {};
    const gate = new Promise<void>((resolve) => {
      release = resolve;
    });
    await openApp("/findings", {
      ...handlers,
      "GET /findings": async () => {
        await gate;
        return handlers["GET /findings"]();
      },
    });
    await screen.findByText("S3 bucket is public");
    await userEvent.keyboard("j{ArrowRight}");
    await screen.findByText("Loading…");
    await userEvent.keyboard("j");
    release();
    await screen.findByText("arn:aws:s3:::prod-billing-exports");
    await waitFor(() => expect(document.activeElement?.getAttribute("role")).toBe("row"));
    expect(document.activeElement?.textContent).toContain("prod-billing-exports");
  });

  test("a finding that opens elsewhere appears without a reload", async () => {
    await openApp("/findings", handlers);
    await screen.findByText("S3 bucket is public");
    expect(rows()[0]?.textContent).toContain("1 / 40");
    groups = [group({ failing: 2, open_findings: 2 })];
    await emit(transition({ id: "t_live" }));
    await waitFor(() => expect(rows()[0]?.textContent).toContain("2 / 40"));
    expect(within(rows()[0] as HTMLElement).getByText("+1")).toBeTruthy();
  });

  test("under the pointer nothing moves: new groups wait behind a button", async () => {
    await openApp("/findings", handlers);
    await screen.findByText("S3 bucket is public");
    fireEvent.pointerEnter(screen.getByRole("treegrid"));
    groups = [
      group({ policy: "RDSPublicAccess", title: "Database is public", severity: 95 }),
      group({ failing: 7 }),
    ];
    await emit(transition({ id: "t_held", policy: "RDSPublicAccess" }));
    await waitFor(() => expect(rows()[0]?.textContent).toContain("7 / 40"));
    expect(rows()).toHaveLength(1);
    fireEvent.click(await screen.findByText("1 new · show"));
    await waitFor(() => expect(rows()[0]?.textContent).toContain("Database is public"));
  });
});

describe("as a flat list", () => {
  test("new findings wait behind a button, resolved ones are struck out in place", async () => {
    await openApp("/findings?group=none", handlers);
    await screen.findByText("prod-billing-exports");
    list = [finding({ id: "f_new", resource_name: "other-bucket" }), ...list];
    await emit(
      transition({ id: "t_new", finding: "f_new" }),
      transition({ id: "t_gone", finding: "f_aaaa", kind: "resolved", resolution: "fixed" }),
    );
    expect(rows()).toHaveLength(1);
    expect(rows()[0]?.textContent).toContain("resolved, fixed");
    fireEvent.click(await screen.findByText("1 new · show"));
    await screen.findByText("other-bucket");
  });

  test("a transition outside the filter is not announced", async () => {
    await openApp("/findings?group=none&account=999999999999", handlers);
    await screen.findByText("prod-billing-exports");
    await emit(transition({ id: "t_else" }));
    expect(screen.queryByText(/new · show/)).toBeNull();
  });

  test("a filter that no counter knows cannot be grouped, and says why", async () => {
    await openApp("/findings?region=eu-west-1", handlers);
    await screen.findByText("prod-billing-exports");
    const button = screen.getByRole("button", { name: /Group by/ }) as HTMLButtonElement;
    expect(button.disabled).toBe(true);
    expect(button.title).toBe("Counts by policy are not kept for region");
  });
});

describe("nothing to show", () => {
  beforeEach(() => {
    groups = [];
    list = [];
  });
  const policies = (change: object) => ({
    ...handlers,
    "GET /policies": () => [
      { policy_id: "P", title: "P", status: "active", passing: 0, unknown: 0, ...change },
    ],
  });
  test.each([
    [
      "/findings",
      policies({ status: "available" }),
      "No policy is launched, so nothing is evaluated",
    ],
    ["/findings", policies({}), "Nothing has been evaluated yet"],
    ["/findings", policies({ passing: 5, unknown: 1 }), "No open finding"],
    ["/findings?severity=low", policies({ passing: 5 }), "No finding matches the filter"],
  ])("%s: %#", async (path, table, title) => {
    await openApp(path, table);
    expect(await screen.findByText(title)).toBeTruthy();
  });
});

test("a failure names the call and the request id, keeps the old rows and can be tried again", async () => {
  let broken = false;
  const failing = () =>
    broken
      ? { status: 400, body: { title: "Bad", detail: "the store is away", request_id: "req-7" } }
      : handlers["GET /summary/findings"]();
  const { client } = await openApp("/findings", { ...handlers, "GET /summary/findings": failing });
  await screen.findByText("S3 bucket is public");
  broken = true;
  await client.invalidateQueries({ queryKey: ["findings", "summary"] });
  const alert = await screen.findByRole("alert");
  expect(alert.textContent).toContain("GET /summary/findings");
  expect(alert.textContent).toContain("the store is away");
  expect(alert.textContent).toContain("req-7");
  expect(screen.getByText("S3 bucket is public")).toBeTruthy();
  broken = false;
  fireEvent.click(within(alert).getByText("Try again"));
  await waitFor(() => expect(screen.queryByRole("alert")).toBeNull());
});
