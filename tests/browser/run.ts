// Runs the suite in a page of Chromium: `node --import tsx tests/browser/run.ts [--junit=FILE] [tests/x_test.ts ...]`.

import { readdir, writeFile } from "node:fs/promises";
import process from "node:process";
import { parseArgs } from "node:util";
import { openChromium } from "./chromium.ts";
import type { Result } from "./node_test.ts";
import { serve } from "./server.ts";

/** Which Chromium this is, and which adapter its pages get. */
async function describe(url: string): Promise<string> {
  const browser = await openChromium();
  try {
    const page = await browser.newPage();
    await page.goto(`${url}/tests/browser/page.html`);
    const adapter = await page.evaluate(`import("/backends/mod.ts")
      .then(({ device }) => device("webgpu"))
      .then(({ description }) => description)`);
    return `Chromium ${browser.version()} on ${adapter}`;
  } finally {
    await browser.close();
  }
}

/** A file that takes longer hangs: several times what the longest one takes on two slow cores. */
const LIMIT_MINUTES = 10;

/** The tests of one file in a browser of its own, so that none suffers from the devices of those before it. */
async function runFile(url: string, file: string): Promise<Result[]> {
  const browser = await openChromium();
  const page = await browser.newPage();
  const results: Result[] = [];
  page.on("console", (message) => console.log(`  ${message.text()}`));
  await page.exposeFunction("report", (result: Result) => {
    results.push(result);
    const { name, seconds, failure } = result;
    console.log(`${failure === null ? "ok" : "FAILED"}  ${name} (${seconds.toFixed(2)} s)`);
    if (failure !== null) console.log(failure);
  });
  let late: ReturnType<typeof setTimeout> | undefined;
  const ended = new Promise<string | null>((resolve) => {
    late = setTimeout(() => resolve(`it took more than ${LIMIT_MINUTES} minutes`), LIMIT_MINUTES * 60_000);
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
  clearTimeout(late);
  if (failure !== null) {
    console.log(`FAILED  ${file}: ${failure}`);
    results.push({ name: file, seconds: 0, failure });
  }
  await browser.close().catch(() => {/* Chromium is gone, which is a result already. */});
  return results;
}

const { values, positionals } = parseArgs({ options: { junit: { type: "string" } }, allowPositionals: true });
const found = (await readdir("tests")).filter((name) => name.endsWith("_test.ts")).sort();
const files = positionals.length > 0 ? positionals : found.map((name) => `tests/${name}`);

const server = await serve();
const results: Result[] = [];
try {
  console.log(`# ${await describe(server.url)}`);
  for (const file of files) {
    console.log(`\n${file}`);
    results.push(...await runFile(server.url, file));
  }
} finally {
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
