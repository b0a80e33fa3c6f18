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
  /** What the rates to come depend on, besides the arguments. */
  readonly state: ScheduleState;
  /** Goes on from what another run's `state` was. */
  restore(state: ScheduleState): void;
}

/** What a schedule remembers; numbers that JSON can hold. */
export type ScheduleState = Readonly<Record<string, number>>;

/** A schedule of the house. */
export type ScheduleName = "plateau" | "linear";

/** Whether the rate of a step depends on how many steps the run has. */
export function goesByLength(name: ScheduleName): boolean {
  return name === "linear";
}

const WARM_UP = 100;
/** Of `plateau`, where nobody says; the paper has no number. */
export const PATIENCE = 3;

/**
 * `plateau` divides the rate by 10 whenever the accuracy did not improve for `patience` epochs, at most three times
 * (Krizhevsky et al. 2012, section 5, where a person watched it). `linear` goes down to zero over the run,
 * after it has risen through the first hundred steps: fresh weights take a large step badly.
 */
export function makeSchedule(name: ScheduleName, lr: number, patience: number = PATIENCE): Schedule {
  switch (name) {
    case "plateau":
      return plateau(lr, patience);
    case "linear":
      return {
        rate: (made, steps) => lr * Math.min(1, (made + 1) / WARM_UP) * (1 - made / steps),
        epochEnded() {},
        state: {},
        restore() {},
      };
    default:
      return name satisfies never;
  }
}

const REDUCTIONS = 3;

function plateau(lr: number, patience: number): Schedule {
  // Any accuracy is better than none.
  let state = { best: -1, waited: 0, reductions: 0 };
  return {
    rate: () => lr / 10 ** state.reductions,
    epochEnded(accuracy) {
      const waited = accuracy > state.best ? 0 : state.waited + 1;
      const best = Math.max(state.best, accuracy);
      const reduces = waited >= patience && state.reductions < REDUCTIONS;
      state = { best, waited: reduces ? 0 : waited, reductions: state.reductions + (reduces ? 1 : 0) };
    },
    get state() {
      return state;
    },
    restore: (saved) => state = { ...state, ...saved },
  };
}
