// Where Chromium is. Plain JavaScript, because the test command asks before anything else is known to work.

import { existsSync } from "node:fs";
import process from "node:process";

const PLACES = [
  "/usr/bin/chromium",
  "/usr/bin/google-chrome",
  "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
  "C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe",
];

/**
 * The path of its executable: the variable CHROMIUM, or where systems keep it.
 *
 * @returns {string | undefined}
 */
export function chromiumPath() {
  return process.env["CHROMIUM"] ?? PLACES.find((path) => existsSync(path));
}
