/**
 * The tables that a race ends with, in Markdown.
 *
 * @module
 */

import { OURS } from "./contender.ts";
import type { Outcome, Race } from "./race.ts";

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  return (sorted[Math.floor(middle)]! + sorted[Math.ceil(middle) - 1]!) / 2;
}

/** How a contender fared in a race. */
export const outcomeOf = (
  { outcomes }: Race,
  key: string,
): Outcome | undefined => outcomes.find(({ contender }) => contender === key);

/** The median of the milliseconds; null for who was not timed. */
export function timeOf(race: Race, key: string): number | null {
  const outcome = outcomeOf(race, key);
  return outcome === undefined || outcome.failure !== null ||
      outcome.ms.length === 0
    ? null
    : median(outcome.ms);
}

/** How many times as long as ours it takes: the median of the rounds, in which both met the same machine. */
export function ratioOf(race: Race, key: string): number | null {
  if (timeOf(race, key) === null || timeOf(race, OURS) === null) return null;
  const ours = outcomeOf(race, OURS)!.ms;
  return median(outcomeOf(race, key)!.ms.map((ms, round) => ms / ours[round]!));
}

/** A number with three digits that count. */
export const number = (value: number): string => value >= 100 ? value.toFixed(0) : value.toPrecision(3);

/** A table, whose first line is its head. */
export function markdown(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]!.map((_, column) => Math.max(3, ...rows.map((row) => row[column]!.length)));
  const pad = (cell: string, column: number) =>
    column === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[column]!);
  const line = (row: readonly string[]) => `| ${row.map(pad).join(" | ")} |`;
  const rule = widths.map((width, column) => column === 0 ? "-".repeat(width) : `${"-".repeat(width - 1)}:`);
  return [line(rows[0]!), line(rule), ...rows.slice(1).map(line)].join("\n");
}

type Names = readonly { readonly key: string; readonly name: string }[];

/** Times, our GFLOP/s, and how many times as long the others take. */
export function timeTable(races: readonly Race[], contenders: Names): string {
  const cells = (race: Race, key: string): string[] => {
    const [ms, ratio] = [timeOf(race, key), ratioOf(race, key)];
    const time = ms === null ? outcomeOf(race, key)?.failure?.kind ?? "" : number(ms);
    const second = key === OURS ? ms && race.flops / ms / 1e6 : ratio;
    return [
      time,
      second === null ? "" : key === OURS ? number(second) : `${second.toFixed(2)}x`,
    ];
  };
  return markdown([
    [
      "workload",
      ...contenders.flatMap((
        { key, name },
      ) => [`${name} ms`, key === OURS ? "GFLOP/s" : "to ours"]),
    ],
    ...races.map((
      race,
    ) => [race.workload, ...contenders.flatMap(({ key }) => cells(race, key))]),
  ]);
}

/** The first run, with everything that has to be compiled, and the peak of resident memory. */
export function costTable(races: readonly Race[], contenders: Names): string {
  const cell = (
    value: number | null | undefined,
    unit: number,
    digits: number,
  ) => typeof value === "number" ? (value / unit).toFixed(digits) : "";
  return markdown([
    [
      "workload",
      ...contenders.map(({ name }) => `${name}: first run s`),
      ...contenders.map(({ name }) => `${name}: peak MiB`),
    ],
    ...races.map((race) => [
      race.workload,
      ...contenders.map(({ key }) => cell(outcomeOf(race, key)?.firstMs, 1e3, 2)),
      ...contenders.map(({ key }) => cell(outcomeOf(race, key)?.peakRss, 2 ** 20, 0)),
    ]),
  ]);
}

/** What a reader must not overlook: who failed or disagreed, and where we are slower than `rivals`. */
export function remarks(races: readonly Race[], rivals: Names): string[] {
  const failures = races.flatMap((race) =>
    race.outcomes.flatMap(({ contender, failure }) =>
      failure === null ? [] : [`${race.workload}: ${contender} ${failure.kind}: ${failure.why}`]
    )
  );
  return [
    ...failures,
    ...rivals.flatMap((rival) => fasterThanUs(races, rival)),
  ];
}

function fasterThanUs(
  races: readonly Race[],
  { key, name }: Names[number],
): string[] {
  const faster = races.map((race) => ({ race, ratio: ratioOf(race, key) ?? 1 }))
    .filter(({ ratio }) => ratio < 1);
  if (faster.length === 0) return [];
  const everywhere = races.length > 1 && faster.length === races.length;
  const where = everywhere ? "all rows" : faster.map(({ race }) => race.workload).join("; ");
  const shares = faster.map(({ ratio }) => ratio);
  const [least, most] = [Math.min(...shares), Math.max(...shares)].map((
    share,
  ) => share.toFixed(2));
  return [
    `${name} is faster in ${where}: it takes ${least === most ? most : `${least} to ${most}`} of our time`,
  ];
}
