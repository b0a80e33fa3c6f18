/**
 * The race in the pack: ours in Node beside PyTorch, whose rows of `bench:peers` need nothing that a bare machine lacks but
 * a Python that has it. The JavaScript rivals want Deno, and stay at home.
 *
 * @module
 */

import process from "node:process";
import { fileURLToPath } from "node:url";
import { type Contender, OURS, torches, usual } from "../peers/contender.ts";
import { optionsOf, raceAll } from "../peers/program.ts";
import { workloads } from "../peers/workloads.ts";

/** Who races: PyTorch with CUDA, or with `--cpu` on the processor. */
function contenders(tune: string, cpu: boolean): Contender[] {
  const command = [
    process.execPath,
    fileURLToPath(new URL("fermi_peer.mjs", import.meta.url)),
    `--tune=${tune}`,
  ];
  const python = torches().filter(({ key }) => (key === "torch") === cpu);
  return python.length === 0 ? [] : [{ key: OURS, name: "Fermi", command }, ...usual(python)];
}

async function main(): Promise<number> {
  const args = process.argv.slice(2);
  const cpu = args.includes("--cpu");
  const options = optionsOf(args.filter((arg) => arg !== "--cpu"));
  const rows = workloads(options.large).filter(({ name }) => options.only.test(name));
  const racing = rows.length === 0 ? [] : contenders(options.tune, cpu);
  if (racing.length === 0) {
    const why = rows.length === 0
      ? "--only matches no row"
      : `no python3 has PyTorch${cpu ? "" : " with CUDA"}`;
    console.log(`\nno race beside PyTorch: ${why}`);
    return 0;
  }
  console.log("\nthe race beside PyTorch");
  return await raceAll(rows, racing, options, console.log, (text) => console.error(`# ${text}`));
}

process.exitCode = await main();
