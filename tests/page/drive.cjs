// Drives the status page in headless Chromium: ADMIN is its address, SHOTS a folder for
// screenshots. Prints what holds, and fails on the first thing that does not.
"use strict";
const assert = require("node:assert/strict");
const fs = require("node:fs");
const path = require("node:path");
const { chromium } = require("playwright-core");
const axe = fs.readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");

const [admin, shots] = process.argv.slice(2);
const WAIT = 60_000;

const VIEWS = {
  light: { colorScheme: "light", viewport: { width: 1280, height: 900 } },
  dark: { colorScheme: "dark", viewport: { width: 1280, height: 900 } },
  phone: { colorScheme: "light", viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, isMobile: true },
};

// A page that reports every error, every refused resource and every request to elsewhere.
async function open(browser, options) {
  const context = await browser.newContext(options);
  const page = await context.newPage();
  page.problems = [];
  page.on("pageerror", (error) => page.problems.push(String(error)));
  page.on("console", (message) => {
    if (message.type() === "error") page.problems.push(message.text());
  });
  page.on("request", (request) => {
    const url = request.url();
    if (!url.startsWith(admin) && !url.startsWith("data:")) page.problems.push(`asks ${url}`);
  });
  const response = await page.goto(admin + "/");
  assert.equal(response.status(), 200);
  return { context, page, policy: response.headers()["content-security-policy"] };
}

async function accessible(browser, options, name) {
  // axe runs as a script of its own, which the page's policy forbids: here it is let in.
  const { context, page } = await open(browser, { ...options, bypassCSP: true });
  await page.evaluate(axe);
  const found = await page.evaluate(() =>
    globalThis.axe.run({ runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] }));
  const told = found.violations.map((v) => `${v.id}: ${v.help}: ${v.nodes.map((n) => n.html).join(" ").slice(0, 300)}`);
  assert.deepEqual(told, [], `axe on ${name}`);
  assert.ok(found.passes.length > 15, "axe looked at the page");
  await context.close();
  return found.passes.length;
}

(async () => {
  const browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: ["--no-sandbox"] });
  try {
    for (const [name, options] of Object.entries(VIEWS)) {
      const { context, page, policy } = await open(browser, options);
      assert.match(policy, /default-src 'none'/);
      assert.doesNotMatch(policy, /unsafe/);
      await page.getByRole("heading", { name: /distinct inputs get one and the same output/ }).first().waitFor({ timeout: WAIT });
      const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      assert.ok(wide <= 0, `${name}: the page is ${wide} pixels too wide`);
      await page.screenshot({ path: path.join(shots, `status-page${name === "light" ? "" : `-${name}`}.png`), fullPage: name !== "phone" });
      assert.deepEqual(page.problems, [], name);
      await context.close();
      console.log(`${name}: shown, axe passes ${await accessible(browser, options, name)} rules`);
    }

    // Live: what stands there changes without a reload, and the keyboard keeps its place.
    const { context, page } = await open(browser, { viewport: { width: 1280, height: 900 }, permissions: ["clipboard-read", "clipboard-write"] });
    const calls = () => page.locator("#seen ~ p").first().innerText();
    const before = await calls();
    await page.keyboard.press("Tab");
    assert.equal(await page.evaluate(() => document.activeElement.className), "skip");
    await page.keyboard.press("Enter");
    const copy = page.getByRole("button", { name: "Copy the command" }).first();
    await copy.focus();
    await page.keyboard.press("Enter");
    await page.waitForFunction(() => [...document.querySelectorAll("button.copy")].some((b) => b.textContent === "Copied"));
    const command = await page.locator("code.copy").first().innerText();
    assert.equal(await page.evaluate(() => navigator.clipboard.readText()), command);
    assert.ok(command.length > 10);
    await page.getByText(/^Ruled out/).first().click();
    await page.waitForFunction((old) => document.querySelector("#seen ~ p").innerText !== old, before, { timeout: WAIT });
    assert.equal(await page.locator("details").first().getAttribute("open"), "", "stays open");
    assert.equal(await page.evaluate(() => document.activeElement.tagName), "SUMMARY", "keeps the focus");
    assert.ok(await page.locator("svg.spark polyline").count() >= 2, "sparklines");
    assert.deepEqual(page.problems, []);
    await context.close();
    console.log("live: updates, keyboard, copying");

    // Without scripts everything but the updates and the buttons is there.
    const plain = await open(browser, { javaScriptEnabled: false });
    await plain.page.getByText("To confirm:").first().waitFor({ timeout: WAIT });
    assert.ok((await plain.page.getByRole("table").count()) >= 3);
    const accounts = plain.page.getByRole("table", { name: "Five accounts of the version" });
    assert.match(await accounts.getByRole("row").nth(1).innerText(), /newest version, \d+ calls\s+version \d+, \d+ calls/);
    assert.equal(await plain.page.getByRole("button").count(), 0, "no button that does nothing");
    await plain.context.close();
    console.log("without scripts: complete");
  } finally {
    await browser.close();
  }
})().catch((error) => {
  console.error(error.message);
  process.exit(1);
});
