/**
 * What `main.ts` does, for any workloads and contenders: the test brings its own.
 *
 * @module
 */

import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { describeMachine } from "../machine.ts";
import type { Tune } from "../../backends/webgpu/tune.ts";
import { type Contender, OURS, RIVALS, TORCH } from "./contender.ts";
import { type Effort, type Race, race } from "./race.ts";
import { type RaceRecord, summary } from "./record.ts";
import { costTable, remarks, timeTable } from "./table.ts";
import type { Workload } from "./workloads.ts";

export const HELP = `deno task bench:peers [options]
  --only=REGEX       only the rows whose name matches
  --contenders=LIST  of fermi, jax, tfjs, torch, torch-cuda, torch-tf32; default all that there are, of PyTorch's (where
                     Python has it) those with CUDA, else the one on the CPU
  --large            also what is for fast devices: AlexNet's batch of 128, a product of 4096
  --tune=off|cached|on  choose our kernels by guesses, by what is kept, or by measuring
  --rounds=N         default 5
  --quick            shorter samples and two rounds: to see that all of them work
  --json=FILE        all that was measured, written after each row; as bench/results/NAME.race.json it goes into
                     docs/performance.md`;

const FULL: Effort = { rounds: 5, sampleMs: 300, budgetMs: 90_000 };
const QUICK: Effort = { rounds: 2, sampleMs: 50, budgetMs: 10_000 };

/** What the command line says. */
export interface Options {
  readonly help: boolean;
  readonly only: RegExp;
  /** Keys; null for all. */
  readonly contenders: readonly string[] | null;
  readonly large: boolean;
  readonly tune: Tune;
  readonly quick: boolean;
  readonly effort: Effort;
  readonly json: string | null;
}

/**
 * Reads the command line.
 *
 * @throws {TypeError} for an option that does not exist.
 * @throws {RangeError} for a value that an option cannot have.
 */
export function optionsOf(args: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...args],
    options: {
      only: { type: "string", default: "" },
      contenders: { type: "string" },
      rounds: { type: "string" },
      large: { type: "boolean", default: false },
      tune: { type: "string", default: "off" },
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
  const tune = (["off", "cached", "on"] as const).find((each) => each === values.tune);
  if (tune === undefined) throw new RangeError(`--tune must be off, cached or on, got ${values.tune}`);
  const known = [OURS, ...RIVALS.map(({ key }) => key), ...TORCH];
  const unknown = values.contenders?.split(",").find((key) => !known.includes(key));
  if (unknown !== undefined) {
    throw new RangeError(`--contenders knows ${known.join(", ")}, got ${unknown}`);
  }
  return {
    help: values.help,
    only: new RegExp(values.only),
    contenders: values.contenders?.split(",") ?? null,
    large: values.large,
    tune,
    quick: values.quick,
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
  { effort, json, tune, quick }: Pick<Options, "effort" | "json" | "tune" | "quick">,
  log: (text: string) => void,
  progress: (text: string) => void,
): Promise<number> {
  const races: Race[] = [];
  const names = contenders.map(({ key, name }) => ({ key, name }));
  const { cpu, cores, commit } = describeMachine();
  const adapterOf = () =>
    races.flatMap(({ outcomes }) => outcomes)
      .find(({ contender, device }) => contender === OURS && device !== null)?.device ?? null;
  const about = {
    format: 1,
    date: new Date().toISOString(),
    cpu,
    cores,
    commit,
    tune,
    quick,
    effort,
  } as const;
  const record = (): RaceRecord => ({ ...about, adapter: adapterOf(), contenders: names, races });
  for (const workload of workloads) {
    progress(workload.name);
    races.push(await race(workload, contenders, effort));
    if (json !== null) writeFileSync(json, JSON.stringify(record(), null, 1) + "\n");
  }
  const where = `${cores} cores, ${adapterOf() ?? "no device"}`;
  log(`${where}; --tune=${tune}, medians of up to ${effort.rounds} rounds\n`);
  log(
    `${timeTable(races, names)}\n\n${costTable(races, names)}\n\nFor docs/performance.md:\n\n${
      summary(record())
    }`,
  );
  const rivals = RIVALS.filter(({ key }) => contenders.some((contender) => contender.key === key));
  for (const remark of remarks(races, rivals)) log(`\n${remark}`);
  const outcomes = races.flatMap(({ outcomes }) => outcomes);
  const bad = outcomes.some(({ contender, failure }) =>
    failure !== null &&
    (failure.kind === "disagrees" || contender === OURS)
  );
  return bad ? 1 : 0;
}
