import { screen, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { expect, test } from "vitest";
import type { Job, Shard, System } from "~/api/types";
import { openApp } from "~/testing/app";

const shard = (with_: Partial<Shard>): Shard => ({
  id: "shard-0",
  state: "open",
  owner: "worker-a",
  epoch: 1,
  checkpoint: "42",
  lag_seconds: 0,
  behind: 0,
  ...with_,
});

const system = (stream: System["stream"]): System => ({
  stream,
  dirty: { count: 0 },
  dead_letters: 0,
  deliveries: { pending: 0, dead: 3 },
  lag_seconds: 2,
});

const open = (stream: System["stream"]) =>
  openApp("/system", { "GET /system": () => system(stream), "GET /jobs": () => ({ jobs: [] }) });

test("shards are shown with their state, and those that are finished are counted", async () => {
  await open({
    shards: [
      shard({ id: "a", state: "finished", owner: "" }),
      shard({ id: "b", state: "closed", behind: -1 }),
      shard({ id: "c", state: "waiting", owner: "", behind: -1 }),
      shard({ id: "d", owner: "", behind: -1 }),
    ],
    troubles: [],
  });
  expect(await screen.findByText("3 shards, 1 read to their end")).toBeTruthy();
  const rows = screen.getAllByRole("row").slice(1);
  expect(rows.map((r) => r.textContent)).toEqual([
    expect.stringContaining("closed, being read to its endworker-a"),
    expect.stringContaining("waits for its parents–"),
    expect.stringContaining("opennobody"),
  ]);
  const figures = within(screen.getByRole("region", { name: "Stream" }));
  expect(figures.getByText("Records waiting").nextSibling?.textContent).toBe("unknown");
  expect(screen.queryByRole("list", { name: "Trouble" })).toBeNull();
});

test("trouble is told in words, and what is known of the backlog is added up", async () => {
  await open({
    shards: [shard({ behind: 3 }), shard({ id: "shard-1", behind: 4 })],
    troubles: [
      {
        kind: "unowned",
        shard: "shard-1",
        text: "nobody has owned shard-1 for 45s",
      },
    ],
  });
  const trouble = await screen.findByRole("list", { name: "Trouble" });
  expect(within(trouble).getByText("nobody has owned shard-1 for 45s")).toBeTruthy();
  const figures = within(screen.getByRole("region", { name: "Stream" }));
  expect(figures.getByText("Records waiting").nextSibling?.textContent).toBe("7");
  expect(figures.getByText("Messages given up").nextSibling?.textContent).toBe("3");
});

test("a job that runs can be cancelled, and one that has ended cannot", async () => {
  const job = (id: string, state: Job["state"]): Job => ({
    id,
    kind: "inventory",
    scope: "all accounts",
    reason: "request",
    state,
    started: "2026-03-18T10:30:00Z",
    pages: 4,
    done: 1,
    items: 40,
    failed: 0,
  });
  const jobs = [job("a", "running"), { ...job("b", "done"), finished: "2026-03-18T10:31:00Z" }];
  const cancelled: string[] = [];
  await openApp("/system", {
    "GET /system": () => system({ shards: [], troubles: [] }),
    "GET /jobs": () => ({ jobs }),
    "POST /jobs/a/actions/cancel": () => {
      cancelled.push("a");
      jobs[0] = job("a", "cancelled");
      return jobs[0];
    },
  });
  const button = await screen.findByRole("button", { name: "Cancel" });
  expect(screen.getAllByRole("button", { name: "Cancel" })).toHaveLength(1);
  await userEvent.click(button);
  expect(await screen.findByText(/cancelled/)).toBeTruthy();
  expect(cancelled).toEqual(["a"]);
});
