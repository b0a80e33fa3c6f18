/**
 * What `./run.sh` of the pack runs: the agreement suite, the benchmark, and the race beside PyTorch where there is one, each
 * in a process of its own, and the JSON and the page about the machine.
 *
 * @module
 */

import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import process from "node:process";
import { UsageError } from "../../train/mod.ts";
import { HELP as BENCH_HELP, readFlags } from "../flags.ts";
import type { Result } from "../results.ts";

const HELP = `./run.sh [options]
  --name=NAME         what the files in results/ are called, instead of the adapter's name
  --agreement=100     samples of the agreement suite in percent of the usual; 0 leaves it out
  --race=cuda|cpu|off race PyTorch, where python3 has it with CUDA, TF32 off and on; cpu: on the processor
and those of the benchmark:
${BENCH_HELP.split("\n").slice(1).filter((line) => !/--(json|report)/.test(line)).join("\n")}`;

const RACES = ["cuda", "cpu", "off"] as const;

interface Flags {
  readonly name: string | undefined;
  readonly agreement: number;
  readonly race: (typeof RACES)[number];
  /** For the benchmark. */
  readonly rest: readonly string[];
}

function flagsOf(args: readonly string[]): Flags {
  const valueOf = (flag: string) =>
    args.findLast((arg) => arg.startsWith(`${flag}=`))?.slice(flag.length + 1);
  const rest = args.filter((arg) => !/^--(name|agreement|race)=/.test(arg));
  const read = readFlags(rest);
  if (read?.json !== undefined || read?.report !== undefined) {
    throw new UsageError("the results go to results/; --name says what they are called there");
  }
  const [name, agreement = "100"] = [valueOf("--name"), valueOf("--agreement")];
  if (name !== undefined && !/^[\w.-]+$/.test(name)) {
    throw new UsageError(`--name expects letters, digits, dots and dashes, got '${name}'`);
  }
  if (!/^\d+$/.test(agreement)) throw new UsageError(`--agreement expects a percentage, got '${agreement}'`);
  const [asked = "cuda"] = [valueOf("--race")];
  const race = RACES.find((each) => each === asked);
  if (race === undefined) throw new UsageError(`--race expects ${RACES.join(" or ")}, got '${asked}'`);
  return { name, agreement: Number(agreement), race, rest };
}

function node(args: readonly string[], env: Readonly<Record<string, string>> = {}): boolean {
  const options = { env: { ...process.env, ...env }, stdio: "inherit" } as const;
  return spawnSync(process.execPath, args, options).status === 0;
}

interface Outcome {
  readonly passed: number;
  readonly failed: number;
}

/** The agreement suite, a process for each part: a driver that gives up in one has the other still to show. */
const SUITE = ["agreement", "forced", "variants"] as const;

/** Holds every op to its definition, with every variant of the product by force; gives how many tests passed, and how many did not. */
function agree(percent: number): Outcome {
  const parts = SUITE.map((part) => runPart(part, { FERMI_RUNS: `${percent}`, FERMI_VARIANTS: "all" }));
  const sum = (of: keyof Outcome) => parts.reduce((total, part) => total + part[of], 0);
  return { passed: sum("passed"), failed: sum("failed") };
}

function runPart(part: string, env: Readonly<Record<string, string>>): Outcome {
  const log = `results/${part}.tap`;
  const reporters = ["spec", "tap"].map((reporter) => `--test-reporter=${reporter}`);
  const to = ["stdout", log].map((where) => `--test-reporter-destination=${where}`);
  const succeeded = node([...reporters, ...to, `${part}.mjs`], env);
  const text = readFileSync(log, "utf8");
  const count = (what: string) => Number(new RegExp(`^# ${what} (\\d+)$`, "m").exec(text)?.[1] ?? 0);
  // A process that was killed has no last line.
  return { passed: count("pass"), failed: succeeded ? 0 : Math.max(1, count("fail") + count("cancelled")) };
}

/** Races PyTorch over the rows that the benchmark's flags leave; gives whether there is a race to be kept, and whether all went well. */
function raced({ race, rest }: Flags, json: string): { readonly kept: boolean; readonly well: boolean } {
  rmSync(json, { force: true });
  if (race === "off") return { kept: false, well: true };
  const shared = rest.filter((arg) => /^--(only=|tune=|quick$|large$)/.test(arg));
  // A GPU for which PyTorch has CUDA is one that the large rows are for.
  const large = race === "cuda" && !shared.includes("--quick") && !shared.includes("--large")
    ? ["--large"]
    : [];
  const well = node([
    "race.mjs",
    ...shared,
    ...large,
    ...(race === "cpu" ? ["--cpu"] : []),
    `--json=${json}`,
  ]);
  return { kept: existsSync(json), well };
}

/** `nvidia-h100-pcie` for `nvidia-h100-pcie, NVIDIA: 570.86 (Dawn)`. */
const nameFor = ({ adapter, machine, settings: { quick } }: Result) =>
  (adapter ?? machine.cpu).split(/[,:(]/)[0]!.toLowerCase().replaceAll(/[^a-z0-9]+/g, "-")
    .replaceAll(/^-|-$/g, "") + (quick ? "-quick" : "");

function main(): void {
  const args = process.argv.slice(2);
  if (args.includes("--help")) return console.log(HELP);
  const flags = flagsOf(args);
  mkdirSync("results", { recursive: true });
  const agreement = flags.agreement > 0 ? agree(flags.agreement) : null;
  const [json, page, race] = ["results/new.json", "results/new.html", "results/new.race.json"];
  rmSync(json, { force: true });
  const measured = node(["bench.mjs", ...flags.rest, `--json=${json}`, `--report=${page}`]);
  // Where single workloads fail, the others are there.
  if (!existsSync(json)) throw new Error("the benchmark failed");
  const { kept, well } = raced(flags, race);
  const result = JSON.parse(readFileSync(json, "utf8")) as Result;
  const name = flags.name ?? nameFor(result);
  writeFileSync(json, JSON.stringify({ ...result, agreement }, null, 1) + "\n");
  renameSync(json, `results/${name}.json`);
  renameSync(page, `results/${name}.html`);
  if (kept) renameSync(race, `results/${name}.race.json`);
  const files = ["json", "html", ...kept ? ["race.json"] : []].map((ending) => `results/${name}.${ending}`);
  console.log(`\n${files.join(" and ")}`);
  if (agreement !== null && agreement.failed > 0) {
    throw new Error(`${agreement.failed} tests of the agreement suite failed: results/*.tap`);
  }
  if (!measured) throw new Error("workloads of the benchmark failed");
  if (!well) throw new Error("in the race somebody's results disagree, or ours fails");
}

try {
  main();
} catch (error) {
  console.error(`error: ${(error as Error).message}`);
  process.exitCode = error instanceof UsageError ? 2 : 1;
}
