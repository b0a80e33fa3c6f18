// Runs the suite in a page of Chromium: `node --import tsx tests/browser/run.ts [--junit=FILE] [tests/x_test.ts ...]`.

import { readdir, writeFile } from "node:fs/promises";
import process from "node:process";
import { parseArgs } from "node:util";
import type { Browser } from "playwright-core";
import { openChromium } from "./chromium.ts";
import type { Result } from "./node_test.ts";
import { serve } from "./server.ts";

/** Which adapter a page gets. */
async function adapter(browser: Browser, url: string): Promise<string> {
  const page = await browser.newPage();
  await page.goto(`${url}/tests/browser/page.html`);
  const description = await page.evaluate(`import("/backends/mod.ts")
    .then(({ device }) => device("webgpu"))
    .then(({ description }) => description)`);
  await page.close();
  return String(description);
}

/** The tests of one file, each file in a context of its own. */
async function runFile(browser: Browser, url: string, file: string): Promise<Result[]> {
  const context = await browser.newContext();
  const page = await context.newPage();
  const results: Result[] = [];
  page.on("console", (message) => console.log(`  ${message.text()}`));
  await page.exposeFunction("report", (result: Result) => {
    results.push(result);
    const { name, seconds, failure } = result;
    console.log(`${failure === null ? "ok" : "FAILED"}  ${name} (${seconds.toFixed(2)} s)`);
    if (failure !== null) console.log(failure);
  });
  const ended = new Promise<string | null>((resolve) => {
    page.on("crash", () => resolve("the page crashed"));
    page.on("close", () => resolve("the page was closed"));
    browser.on("disconnected", () => resolve("Chromium is gone"));
    page.on("requestfailed", (request) => resolve(`${request.url()}: ${request.failure()?.errorText}`));
    page.on("response", (response) => response.ok() || resolve(`${response.url()}: ${response.status()}`));
    page.on("pageerror", (error) => resolve(String(error.stack)));
    void page.exposeFunction("finish", resolve).then(() =>
      page.goto(`${url}/tests/browser/page.html?/${file}`)
    );
  });
  const failure = await ended;
  if (failure !== null) {
    console.log(`FAILED  ${file}: ${failure}`);
    results.push({ name: file, seconds: 0, failure });
  }
  await context.close().catch(() => {/* Chromium is gone, which is a result already. */});
  return results;
}

const { values, positionals } = parseArgs({ options: { junit: { type: "string" } }, allowPositionals: true });
const found = (await readdir("tests")).filter((name) => name.endsWith("_test.ts")).sort();
const files = positionals.length > 0 ? positionals : found.map((name) => `tests/${name}`);

const server = await serve();
const browser = await openChromium();
const results: Result[] = [];
try {
  console.log(`# Chromium ${browser.version()} on ${await adapter(browser, server.url)}`);
  for (const file of files) {
    console.log(`\n${file}`);
    results.push(...await runFile(browser, server.url, file));
  }
} finally {
  await browser.close();
  server.close();
}

const escape = (text: string) =>
  text.replace(/[^\x20-\x7e\n]|[<>&"]/g, (character) => `&#${character.codePointAt(0)};`);
if (values.junit !== undefined) {
  const cases = results.map(({ name, seconds, failure }) =>
    `<testcase name="${escape(name)}" time="${seconds}">` +
    `${failure === null ? "" : `<failure>${escape(failure)}</failure>`}</testcase>`
  );
  await writeFile(values.junit, `<testsuites><testsuite>\n${cases.join("\n")}\n</testsuite></testsuites>\n`);
}
const failed = results.filter(({ failure }) => failure !== null).length;
console.log(`\n${results.length - failed} passed, ${failed} failed`);
process.exitCode = failed === 0 && results.length > 0 ? 0 : 1;
