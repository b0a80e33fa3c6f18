/**
 * Several seeds in a few words: mean, spread, and whether a difference is more than the spread.
 *
 * @module
 */

/** The mean of some numbers and their standard deviation; of one number alone the deviation is NaN. */
export interface Spread {
  readonly mean: number;
  readonly deviation: number;
  readonly count: number;
}

/** Mean and standard deviation (of a sample: n - 1). */
export function spreadOf(values: readonly number[]): Spread {
  const count = values.length;
  const mean = values.reduce((sum, value) => sum + value, 0) / count;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { mean, deviation: Math.sqrt(squares / (count - 1)), count };
}

/** What so many seeds say of a claim that a difference is above 0. */
export type Verdict = "borne out" | "the other way round" | "within the spread" | "one seed says nothing";

/** Quantiles of Student's t, 97.5%, by degrees of freedom from 1 on. */
const T = [12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228];

/** Whether the mean is above 0, or below, with 95% confidence: by Student's t on differences of the same seed. */
export function verdict({ mean, deviation, count }: Spread): Verdict {
  if (count < 2) return "one seed says nothing";
  const bound = (T[count - 2] ?? T.at(-1)!) * deviation / Math.sqrt(count);
  return mean > bound ? "borne out" : mean < -bound ? "the other way round" : "within the spread";
}

/** `1.23 ± 0.45`, both in hundredths of what is given. */
export function percents({ mean, deviation }: Spread, digits = 2): string {
  const text = (value: number) => (100 * value).toFixed(digits);
  return Number.isNaN(deviation) ? text(mean) : `${text(mean)} ± ${text(deviation)}`;
}
