/**
 * How the learning rate changes during a run.
 *
 * @module
 */

/** The learning rate over time. */
export interface Schedule {
  /** The rate of a step, when `made` of the run's `steps` were made before it. */
  rate(made: number, steps: number): number;
  /** Is told the test accuracy after each epoch. */
  epochEnded(accuracy: number): void;
}

/** A schedule of the house. */
export type ScheduleName = "plateau" | "linear";

const WARM_UP = 100;

/**
 * `plateau` divides the rate by 10 whenever the accuracy stopped improving for three epochs, at most three times
 * (Krizhevsky et al. 2012, section 5, where a person watched it). `linear` goes down to zero over the run,
 * after it has risen through the first hundred steps: fresh weights take a large step badly.
 */
export function makeSchedule(name: ScheduleName, lr: number): Schedule {
  switch (name) {
    case "plateau":
      return plateau(lr);
    case "linear":
      return {
        rate: (made, steps) => lr * Math.min(1, (made + 1) / WARM_UP) * (1 - made / steps),
        epochEnded() {},
      };
    default:
      return name satisfies never;
  }
}

const PATIENCE = 3;
const REDUCTIONS = 3;

function plateau(lr: number): Schedule {
  let [best, waited, reductions] = [-Infinity, 0, 0];
  return {
    rate: () => lr / 10 ** reductions,
    epochEnded(accuracy) {
      waited = accuracy > best ? 0 : waited + 1;
      best = Math.max(best, accuracy);
      if (waited < PATIENCE || reductions === REDUCTIONS) return;
      reductions++;
      waited = 0;
    },
  };
}
