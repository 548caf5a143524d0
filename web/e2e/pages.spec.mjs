// Every page in both themes: it renders, nothing complains, axe finds nothing.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { axeViolations, base, launch, open, shoot } from "./browser.mjs";

let browser;
before(async () => {
  browser = await launch();
});
after(() => browser?.close());

const json = async (path) => (await fetch(`${base}/api/v1${path}`)).json();

const pages = [
  { name: "overview", path: () => "/", ready: "text=Policies with most open findings" },
  { name: "findings", path: () => "/findings", ready: "role=treegrid >> role=row >> nth=1" },
  {
    name: "findings-peek",
    path: () => "/findings",
    ready: "role=treegrid >> role=row >> nth=1",
    act: async (page) => {
      await page.locator("role=treegrid").getByRole("row").nth(1).click();
      await page.locator('[aria-level="2"]').first().click();
      await page
        .getByRole("complementary")
        .getByText("called")
        .or(page.getByText("unknown"))
        .first()
        .waitFor();
    },
  },
  {
    name: "findings-flat",
    path: () => "/findings?group=none",
    ready: "role=grid >> role=row >> nth=1",
  },
  {
    name: "findings-filter",
    path: () => "/findings?severity=critical",
    ready: "role=treegrid >> role=row >> nth=1",
    act: (page) => page.keyboard.press("f"),
  },
  {
    name: "findings-none",
    path: () => "/findings?q=no-such-thing",
    ready: "text=No finding matches the filter",
  },
  {
    name: "findings-bad-values",
    path: () => "/findings?severity=critical,terrible",
    ready: "text=Dropped, not valid",
  },
  { name: "finding", path: async () => `/findings/${await one()}`, ready: "role=article" },
  ...["change", "fix", "timeline", "resource", "raw"].map((tab) => ({
    name: `finding-${tab}`,
    path: async () => `/findings/${await one()}?tab=${tab}`,
    ready: "role=tabpanel",
  })),
  {
    name: "finding-missing",
    path: () => "/findings/f_aaaaaaaaaaaaaaaa",
    ready: "text=There is no such finding",
    faulty: true,
  },
  { name: "inventory", path: () => "/inventory", ready: "role=grid >> role=row >> nth=1" },
  ...["configuration", "history", "findings", "verdicts"].map((tab) => ({
    name: `resource-${tab}`,
    path: async () =>
      `/inventory/${(await json("/findings?page_size=1")).findings[0].resource_id}?tab=${tab}`,
    ready: "role=tabpanel",
  })),
  { name: "policies", path: () => "/policies?tab=active", ready: "role=grid >> role=row >> nth=1" },
  {
    name: "policy",
    path: async () =>
      `/policies/${(await json("/policies")).find((p) => p.status === "active").policy_id}`,
    ready: "role=article",
  },
  { name: "accounts", path: () => "/accounts", ready: "role=grid >> role=row >> nth=1" },
  { name: "system", path: () => "/system", ready: "text=Checkpoint" },
  {
    name: "help",
    path: () => "/system",
    ready: "text=Checkpoint",
    act: (page) => page.keyboard.press("?"),
  },
  {
    name: "palette",
    path: () => "/system",
    ready: "text=Checkpoint",
    act: async (page) => {
      await page.keyboard.press("Control+k");
      await page.getByPlaceholder("Page, policy, resource name or ARN").fill("s3");
      await page.waitForTimeout(500);
    },
  },
  { name: "login", path: () => "/login", ready: "text=Code" },
];

const one = async () =>
  (await json("/findings?state=ACTIVE&severity=critical&page_size=1")).findings[0].id;

for (const { name, path, ready, act, faulty } of pages) {
  for (const theme of ["light", "dark"]) {
    test(`${name}, ${theme}`, async () => {
      const { page, faults, close } = await open(browser, { theme });
      await page.goto(base + (await path()));
      await page.locator(ready).first().waitFor();
      await act?.(page);
      await page.waitForTimeout(300);
      await shoot(page, `${name}-${theme}`);
      assert.deepEqual(await axeViolations(page), []);
      if (!faulty) assert.deepEqual(faults, []);
      await close();
    });
  }
}

test("the checks can fail: a picture without words, another origin, an inline script", async () => {
  const { page, faults, close } = await open(browser);
  await page.goto(`${base}/system`);
  await page.getByText("Checkpoint").waitFor();
  await page.evaluate(() => {
    document.body.append(document.createElement("img"));
    const script = document.createElement("script");
    script.textContent = "globalThis.ran = true";
    document.body.append(script);
    void fetch("http://elsewhere.invalid/").catch(() => {});
  });
  await page.waitForTimeout(200);
  assert.match((await axeViolations(page)).join(), /image-alt/);
  assert.ok(
    faults.some((f) => f.startsWith("elsewhere")) ||
      faults.some((f) => f.includes("elsewhere.invalid")),
  );
  assert.equal(await page.evaluate(() => globalThis.ran), undefined, "the policy let a script in");
  await close();
});

for (const { name, path, ready } of pages.filter((p) =>
  ["overview", "findings", "finding", "policies", "inventory"].includes(p.name),
)) {
  test(`${name} at 320 pixels scrolls in one direction only`, async () => {
    const { page, close } = await open(browser, { width: 320, height: 700 });
    await page.goto(base + (await path()));
    await page.locator(ready).first().waitFor();
    await page.waitForTimeout(200);
    await shoot(page, `${name}-narrow`);
    const over = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    assert.ok(over <= 0, `the page is ${over} pixels too wide`);
    await close();
  });
}
