/**
 * What `main.ts` does, for any workloads and contenders: the test brings its own.
 *
 * @module
 */

import { writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { parseArgs } from "node:util";
import { type Contender, FERMI, RIVALS } from "./contender.ts";
import { type Effort, type Race, race } from "./race.ts";
import { costTable, remarks, timeTable } from "./table.ts";
import type { Workload } from "./workloads.ts";

export const HELP = `deno task bench:peers [options]
  --only=REGEX       only the rows whose name matches
  --contenders=LIST  of fermi, jax, tfjs, torch; default all, torch where Python has it
  --rounds=N         default 5
  --quick            shorter samples and two rounds: to see that all of them work
  --json=FILE        all that was measured, written after each row`;

const FULL: Effort = { rounds: 5, sampleMs: 300, budgetMs: 90_000 };
const QUICK: Effort = { rounds: 2, sampleMs: 50, budgetMs: 10_000 };

/** What the command line says. */
export interface Options {
  readonly help: boolean;
  readonly only: RegExp;
  /** Keys; null for all. */
  readonly contenders: readonly string[] | null;
  readonly effort: Effort;
  readonly json: string | null;
}

/**
 * Reads the command line.
 *
 * @throws {TypeError} for an option that does not exist.
 * @throws {RangeError} for a number of rounds or a contender that does not exist.
 */
export function optionsOf(args: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...args],
    options: {
      only: { type: "string", default: "" },
      contenders: { type: "string" },
      rounds: { type: "string" },
      quick: { type: "boolean", default: false },
      json: { type: "string" },
      help: { type: "boolean", default: false },
    },
  });
  const effort = values.quick ? QUICK : FULL;
  const rounds = Number(values.rounds ?? effort.rounds);
  if (!(Number.isInteger(rounds) && rounds > 0)) {
    throw new RangeError(`--rounds must be a whole number from 1, got ${values.rounds}`);
  }
  const known = [FERMI.key, ...RIVALS.map(({ key }) => key), "torch"];
  const unknown = values.contenders?.split(",").find((key) => !known.includes(key));
  if (unknown !== undefined) {
    throw new RangeError(`--contenders knows ${known.join(", ")}, got ${unknown}`);
  }
  return {
    help: values.help,
    only: new RegExp(values.only),
    contenders: values.contenders?.split(",") ?? null,
    effort: { ...effort, rounds },
    json: values.json ?? null,
  };
}

/**
 * Races, and tells; `log` takes the tables, `progress` what a person who waits wants to know.
 *
 * @returns what the process exits with: 1 when results disagree or ours fails, else 0.
 */
export async function raceAll(
  workloads: readonly Workload[],
  contenders: readonly Contender[],
  { effort, json }: Pick<Options, "effort" | "json">,
  log: (text: string) => void,
  progress: (text: string) => void,
): Promise<number> {
  const races: Race[] = [];
  for (const workload of workloads) {
    progress(workload.name);
    races.push(await race(workload, contenders, effort));
    if (json !== null) {
      const about = { when: new Date().toISOString(), cpu: cpus()[0]?.model, cores: cpus().length };
      writeFileSync(json, JSON.stringify({ ...about, effort, races }, null, 2));
    }
  }
  const names = contenders.map(({ key, name }) => ({ key, name }));
  const device = races.flatMap(({ outcomes }) => outcomes).find(({ device }) => device !== null)?.device;
  log(
    `${cpus().length} cores, ${device ?? "no device"}; medians of up to ${effort.rounds} rounds\n`,
  );
  log(`${timeTable(races, names)}\n\n${costTable(races, names)}`);
  const rivals = RIVALS.filter(({ key }) => contenders.some((contender) => contender.key === key));
  for (const remark of remarks(races, rivals)) log(`\n${remark}`);
  const outcomes = races.flatMap(({ outcomes }) => outcomes);
  const bad = outcomes.some(({ contender, failure }) =>
    failure !== null &&
    (failure.kind === "disagrees" || contender === FERMI.key)
  );
  return bad ? 1 : 0;
}
