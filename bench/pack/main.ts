// `deno task bench:pack [FILE.tar.gz]`: packs the benchmark and the agreement suite for machines without anything.

import { mkdirSync, statSync } from "node:fs";
import { dirname, resolve } from "node:path";
import process from "node:process";
import { buildPack } from "./build.ts";

const archive = resolve(process.argv[2] ?? "dist/fermi-bench-linux-x64.tar.gz");
try {
  mkdirSync(dirname(archive), { recursive: true });
  await buildPack(process.execPath, archive);
  console.log(`${archive}: ${(statSync(archive).size / 2 ** 20).toFixed(1)} MiB; tar xzf it, and ./run.sh`);
} catch (error) {
  console.error(`error: ${(error as Error).message}`);
  process.exitCode = 1;
}
