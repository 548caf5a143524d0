// What people do with the dashboard, from the first click to the last.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { axeViolations, base, launch, open, shoot } from "./browser.mjs";

let browser;
before(async () => {
  browser = await launch();
});
after(() => browser?.close());

const json = async (path) => (await fetch(`${base}/api/v1${path}`)).json();

/** Runs a journey on a fresh page and asserts that nothing complained. */
const journey = (name, walk) =>
  test(name, { timeout: 120_000 }, async () => {
    const { page, faults, close } = await open(browser);
    await walk(page);
    assert.deepEqual(faults, []);
    await close();
  });

journey("from the list to the evidence", async (page) => {
  await page.goto(`${base}/findings`);
  const grid = page.getByRole("treegrid");
  await grid.getByRole("row").nth(1).click();
  const child = page.locator('[aria-level="2"]').first();
  await child.waitFor();
  await child.getByRole("link").click(); // a plain click on the link opens the panel
  const panel = page.getByRole("complementary", { name: "Finding" });
  await panel.getByRole("region", { name: /Cause/ }).waitFor();
  await page.waitForURL(/peek=f_/);
  const id = new URL(page.url()).searchParams.get("peek");
  await page.reload(); // the address is the whole state
  await panel.getByRole("region", { name: /Cause/ }).waitFor();
  await panel.getByRole("tab", { name: "Fix" }).click();
  await panel.getByRole("heading", { name: "Command line" }).waitFor();
  await panel.getByRole("link", { name: "Open page" }).click();
  await page.waitForURL(new RegExp(`/findings/${id}`));
  await page.getByRole("heading", { level: 1, name: "Finding", exact: true }).waitFor();
  await page.getByRole("tab", { name: "Timeline" }).click();
  await page.getByRole("tabpanel").getByText("Opened").first().waitFor();
  await page.goBack();
  await page.waitForURL(/peek=f_/);
  await page.keyboard.press("Escape");
  await panel.waitFor({ state: "detached" });
});

journey("by keyboard alone: move, open, close, filter", async (page) => {
  await page.goto(`${base}/`);
  await page.getByText("Policies with most open findings").waitFor();
  await page.keyboard.press("g");
  await page.keyboard.press("f");
  await page.getByRole("treegrid").getByRole("row").nth(1).waitFor();
  await page.keyboard.press("j");
  await page.keyboard.press("ArrowRight");
  await page.locator('[aria-level="2"]').first().waitFor();
  await page.keyboard.press("j");
  await page.waitForTimeout(100);
  await page.keyboard.press("Enter");
  const panel = page.getByRole("complementary", { name: "Finding" });
  await panel.waitFor();
  const focused = () => page.evaluate(() => document.activeElement?.getAttribute("role"));
  assert.equal(await focused(), "row", "the focus stays in the list");
  await page.keyboard.press("Escape");
  await panel.waitFor({ state: "detached" });
  await page.keyboard.press("f");
  await page.getByRole("button", { name: "severity" }).press("Enter");
  await page.getByRole("checkbox", { name: "Critical" }).press("Space");
  await page.keyboard.press("Escape");
  // The focus goes back to where the popover was opened from.
  await page.waitForFunction(() => document.activeElement?.textContent?.includes("+ Filter"));
  await page.waitForURL(/severity=critical/);
  await page.keyboard.press("/");
  await page.keyboard.type("s3");
  await page.waitForURL(/q=s3/);
});

journey("a policy is launched, edited, suspended, resumed and deleted", async (page) => {
  let [available] = (await json("/policies?status=available")).filter(
    (p) => p.status === "available",
  );
  if (!available) {
    // Everything is launched: take one away to have something to launch.
    const id = "S3BucketMfaDeleteDisabled";
    const answer = await fetch(`${base}/api/v1/policies/${id}`);
    const gone = await fetch(`${base}/api/v1/policies/${id}`, {
      method: "DELETE",
      headers: { "If-Match": answer.headers.get("ETag"), Origin: base },
    });
    assert.equal(gone.status, 200);
    available = { policy_id: id };
  }
  const { policy_id: id } = available;
  await page.goto(`${base}/policies?tab=available`);
  const row = page.getByRole("row").filter({ hasText: id });
  await row.getByRole("button", { name: /Launch/ }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Only resources with tags").fill("env=prod");
  await dialog.getByLabel("Severity").fill("101");
  await dialog.getByRole("button", { name: "Launch" }).click();
  await dialog.getByText("A whole number from 0 to 100").waitFor();
  await dialog.getByLabel("Only resources with tags").fill("");
  await dialog.getByLabel("Severity").fill("55");
  await page.waitForTimeout(200);
  await shoot(page, "launch-light");
  assert.deepEqual(await axeViolations(page), []);
  await dialog.getByRole("button", { name: "Launch" }).click();
  await page.waitForURL(new RegExp(`/policies/${id}`));
  await page
    .getByText(/Evaluat(ing|ed)/)
    .first()
    .waitFor();
  await page.getByText("Medium 55").waitFor();
  await shoot(page, "launched-light");

  await page.getByRole("button", { name: "Edit…" }).click();
  await dialog.getByLabel("Severity").fill("72");
  await dialog.getByLabel("Instructions for fixing").fill("Ask **platform** first.");
  await dialog.getByRole("button", { name: "Save" }).click();
  await page.getByText("High 72").waitFor();

  await page.getByRole("button", { name: "Suspend" }).click();
  await page.getByText(/Suspended: nothing is evaluated/).waitFor();
  await page.getByRole("button", { name: "Resume" }).click();
  await page.getByRole("button", { name: "Suspend" }).waitFor();

  await page.getByRole("button", { name: "Delete…" }).click();
  await dialog
    .getByText(/open findings?/)
    .first()
    .waitFor();
  await shoot(page, "delete-light");
  const button = dialog.getByRole("button", { name: "Delete" });
  assert.ok(await button.isDisabled());
  await dialog.getByLabel(`Type ${id} to delete it`).fill(id);
  await button.click();
  await page.waitForURL(/tab=available/);
  await page.getByRole("row").filter({ hasText: id }).waitFor();
  await page.getByText(`${id} was deleted`, { exact: false }).first().waitFor();
});

journey("a change in the organisation appears live, with who made it", async (page) => {
  if (!(await json("/meta")).demo) return;
  await page.goto(`${base}/`);
  await page.getByRole("status").filter({ hasText: "live" }).waitFor();
  const started = Date.now();
  await page.getByRole("button", { name: "Simulate a change" }).click();
  await shoot(page, "simulate-light");
  await page.getByRole("menuitem").first().click();
  await page
    .getByText(/waiting for the finding/)
    .first()
    .waitFor();
  await shoot(page, "simulate-waiting-light");
  const link = page
    .getByRole("link", { name: / on / })
    .and(page.locator("li a, [role=status] a"))
    .first();
  await page
    .getByText(/After .* finding (opened|reopened|changed)/)
    .first()
    .waitFor({ timeout: 60_000 });
  console.log(`# visible ${Date.now() - started} ms after the click`);
  await shoot(page, "simulate-arrived-light");
  await link.click();
  await page.waitForURL(/\/findings\/f_/);
  const cause = page.getByRole("region", { name: "Cause" });
  await cause.getByText("called").waitFor();
  await shoot(page, "simulate-finding-light");
});

journey("a filter in the address survives a reload and the way back", async (page) => {
  await page.goto(`${base}/findings?severity=critical,high&group=none`);
  await page.getByRole("grid").getByRole("row").nth(1).waitFor();
  const words = await page
    .getByRole("gridcell")
    .filter({ hasText: /Medium|Low|Info/ })
    .count();
  assert.equal(words, 0);
  await page.getByRole("link", { name: "Inventory" }).click();
  await page.waitForURL(/\/inventory/);
  await page.goBack();
  await page.waitForURL(/severity=critical,high/);
  await page.getByText("severity is").waitFor();
});

journey("two versions of a resource are compared", async (page) => {
  const { findings } = await json("/findings?state=ACTIVE&page_size=1");
  await page.goto(`${base}/inventory/${findings[0].resource_id}?tab=history`);
  await page.getByRole("tabpanel").getByRole("row").nth(1).waitFor();
});
