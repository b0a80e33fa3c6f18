// How long each run of tests takes without a mutant, where it has to pass: learnt when it is first needed.

import { type Command, nameOfCommand } from "./suites.ts";
import type { Workplace } from "./workers.ts";

/** The longest that tests may take without a mutant. */
const LIMIT = 1800;

/** Runs the tests in a copy of the tree that nothing is planted in. */
export class Baseline {
  readonly #place: Workplace;
  readonly #known: Map<string, Promise<number>> = new Map();

  constructor(place: Workplace) {
    this.#place = place;
  }

  /** The seconds of a command; throws when it fails. */
  seconds(command: Command): Promise<number> {
    const name = nameOfCommand(command);
    const known = this.#known.get(name) ?? this.#run(command, name);
    this.#known.set(name, known);
    return known;
  }

  async #run(command: Command, name: string): Promise<number> {
    const { passed, seconds, output } = await this.#place.test(command, LIMIT);
    if (!passed) throw new Error(`mutate: ${name} fails without a mutant:\n${output}`);
    console.log(`baseline  ${seconds.toFixed(1).padStart(6)} s  ${name}`);
    return seconds;
  }
}
