/**
 * What training changes, and who keeps it: what the loop knows of checkpoints.
 *
 * @module
 */

import type { Parameter } from "../tensor/mod.ts";
import type { Position } from "./manifest.ts";

/** All that a step changes, by name. */
export interface States {
  /** The network's parameters. */
  readonly parameters: ReadonlyMap<string, Parameter>;
  /** Velocities and the like. */
  readonly others: ReadonlyMap<string, Parameter>;
}

/** Who keeps states, so that a run can go on from them. */
export interface Keeper {
  /** Keep them after so many steps too, not only after each epoch and at the end. */
  readonly every?: number | undefined;
  /** Keeps the states as they are. When the promise settles, training may change them. */
  save(position: Position, states: States): Promise<void>;
}

/** What a run goes on from. */
export interface Restored {
  /** Where it stood. */
  readonly position: Position;
  /** Checks the states against the network's and queues them as its content; throws before it queues any. */
  restore(states: States): Promise<void>;
}
