/**
 * A race as a file, and as docs/performance.md shows it.
 *
 * @module
 */

import type { Tune } from "../../backends/webgpu/tune.ts";
import { OURS } from "./contender.ts";
import type { Effort, Outcome, Race } from "./race.ts";
import { markdown, number, outcomeOf, ratioOf, remarks, timeOf } from "./table.ts";

/** What `--json` writes, and `bench/results/NAME.race.json` keeps. */
export interface RaceRecord {
  /** Changes with the meaning of the fields. */
  readonly format: 1;
  /** ISO 8601. */
  readonly date: string;
  readonly cpu: string;
  readonly cores: number;
  /** What ours ran on; null when it did not. */
  readonly adapter: string | null;
  readonly commit: string | null;
  readonly tune: Tune;
  readonly quick: boolean;
  readonly effort: Effort;
  readonly contenders: readonly { readonly key: string; readonly name: string }[];
  readonly races: readonly Race[];
}

/** Rows that stand in one line: the passes of a convolution. */
interface Line {
  readonly title: string;
  readonly races: readonly Race[];
}

function linesOf(races: readonly Race[]): Line[] {
  const lines = new Map<string, Race[]>();
  for (const race of races) {
    const [, layer = race.workload] = /^(conv\d+) /.exec(race.workload) ?? [];
    lines.set(layer, [...lines.get(layer) ?? [], race]);
  }
  return [...lines].map(([layer, races]) => {
    const passes = races.map(({ workload }) => workload.slice(layer.length + 1)).filter((pass) =>
      pass !== ""
    );
    return { title: [layer, ...passes.length > 0 ? [passes.join(", ")] : []].join(": "), races };
  });
}

const times = (ratio: number) => `${ratio.toFixed(ratio < 10 ? 2 : 1)}x`;

/** Our milliseconds, and how many times as long the others take; one word for who was not timed. */
function cell(race: Race, key: string): string {
  const [ms, ratio] = [timeOf(race, key), ratioOf(race, key)];
  if (ms === null) return outcomeOf(race, key)?.failure?.kind ?? "-";
  if (key === OURS) return number(ms);
  return ratio === null ? `${number(ms)} ms` : times(ratio);
}

/** One number of each contender, for a row that stands alone. */
function costs({ races }: Line, keys: readonly string[], text: (outcome: Outcome) => string | null): string {
  const [race, ...others] = races;
  if (others.length > 0) return "";
  return keys.map((key) => {
    const outcome = outcomeOf(race!, key);
    return (outcome && text(outcome)) ?? "-";
  }).join(" / ");
}

/**
 * The race as a table in Markdown: our time, how many times as long the others take, and of rows that stand alone the first
 * run and the peak of memory of each, in the order of the columns.
 */
export function summary({ contenders, races }: Pick<RaceRecord, "contenders" | "races">): string {
  const keys = contenders.map(({ key }) => key);
  const seconds = ({ firstMs }: Outcome) => firstMs === null ? null : (firstMs / 1e3).toFixed(1);
  const mebibytes = ({ peakRss }: Outcome) => peakRss === null ? null : (peakRss / 2 ** 20).toFixed(0);
  return markdown([
    [
      "workload",
      ...contenders.map(({ key, name }) => key === OURS ? `${name} ms` : name),
      "first run, s",
      "peak MiB",
    ],
    ...linesOf(races).map((line) => [
      line.title,
      ...keys.map((key) => line.races.map((race) => cell(race, key)).join(" ")),
      costs(line, keys, seconds),
      costs(line, keys, mebibytes),
    ]),
  ]);
}

/** All that docs/performance.md says of a race: where it was, the table, and what must not be overlooked. */
export function describe(name: string, record: RaceRecord): string {
  const { adapter, cpu, cores, date, commit, tune, effort, races, contenders } = record;
  const when = `${date.slice(0, 10)}${commit === null ? "" : `, ${commit}`}`;
  const heading =
    `${name} (${adapter ?? "no device"}; ${cpu}, ${cores} cores; ${when}; \`--tune=${tune}\`, medians of ` +
    `up to ${effort.rounds} rounds):`;
  const noted = remarks(races, contenders.filter(({ key }) => key !== OURS));
  const list = noted.map((remark) => `- ${remark.replaceAll("<", "&lt;").replaceAll(/\s+/g, " ")}`).join(
    "\n",
  );
  return [heading, summary(record), list].filter((part) => part !== "").join("\n\n");
}
