/**
 * The autotuner: answers which of several ways an op is computed, by what was measured on this adapter. Before a structure
 * that is new is compiled, the questions that its kernels are going to ask are collected by compiling it on trial; those
 * that nobody has answered yet are measured (`trial.ts`), and the winners are kept (`tune_store.ts`). All of that is loaded
 * when somebody tunes: these files import nothing of the backend but small functions.
 *
 * @module
 */

import type { Question } from "./compile.ts";
import type { Gear } from "./gear.ts";
import { externalViews, type Group } from "./fuse.ts";
import { type DispatchStep, type Program, textOf } from "./lower.ts";
import { Pipelines } from "./pipelines.ts";
import { alone, fastest } from "./trial.ts";
import { isWhole } from "./values.ts";
import { type TuneStore, tuneStore, type Winners } from "./tune_store.ts";

/**
 * Whether kernels go by guesses only, the same on every run (`off`); by what was measured before, where something was
 * (`cached`); or what was not measured yet is measured when it is met (`on`).
 */
export type Tune = "off" | "cached" | "on";

/** A tuner with what is kept of an adapter. */
export async function openTuner(tune: "cached" | "on", adapter: string): Promise<Tuner> {
  const store = tuneStore(adapter);
  return new Tuner(store, await store.load(), tune === "on");
}

/** The tuner of one device. */
export class Tuner {
  readonly #store: TuneStore;
  readonly #winners: Map<string, string>;
  readonly #measures: boolean;

  /** Made by `openTuner`. */
  constructor(store: TuneStore, winners: Winners, measures: boolean) {
    this.#store = store;
    this.#winners = new Map(Object.entries(winners));
    this.#measures = measures;
  }

  /** The winner among the candidates, where there was a measurement. */
  winner(question: Question): string | undefined {
    return this.#winners.get(keyOf(question));
  }

  /** What the program's kernels ask and nobody has answered, if that is to be measured. The program is used up. */
  open(program: () => Program, { compile, limits }: Gear): Question[] {
    if (!this.#measures) return [];
    const open = new Map<string, Question>();
    const choose = (question: Question) => {
      const known = limits.choose?.(question);
      if (known === undefined && isWorthwhile(question)) open.set(keyOf(question), question);
      return known;
    };
    compile(program(), { ...limits, choose });
    return [...open.values()];
  }

  /** Measures, and keeps the winners. */
  async answer(questions: readonly Question[], gear: Gear): Promise<void> {
    // What loses goes with these; questions have many in common, since sizes are parameters.
    const pipelines = new Pipelines(gear.device, gear.failures, gear.limits.windowBytes);
    // One at a time: what a kernel asks, and of what candidates, depends on the winners so far.
    for (const items = questions.map(({ item }) => item); items.length > 0;) {
      const [question] = this.open(() => alone(items.at(-1)!, () => ({ kind: "workspace" })), gear);
      if (question === undefined) {
        items.pop();
        continue;
      }
      const key = keyOf(question);
      const winner = await fastest(question, { ...gear, pipelines });
      this.#winners.set(key, winner ?? question.guess.name);
      // At once: whoever interrupts a long measuring keeps what is known.
      if (winner !== null) await this.#store.add({ [key]: winner });
    }
  }
}

/** Element-wise kernels of fewer elements take no longer than it takes to start them. */
const LEAST_ELEMENTS = 1 << 16;
/** Those of more are alike: no cache holds what they read. */
const MOST_ELEMENTS = 1 << 22;

function isWorthwhile({ candidates, item }: Question): boolean {
  return candidates.length > 1 && (item.kind === "dispatch" || item.length >= LEAST_ELEMENTS);
}

/** What the answer may depend on: the candidates, the ops, and how their operands lie. */
function keyOf({ family, candidates, item }: Question): string {
  const kind = item.kind === "dispatch" ? classOf(item) : classOfGroup(item);
  return `${family}: ${candidates.map(({ name }) => name)}: ${kind}`;
}

function classOf({ label, attributes, inputs, shapes }: DispatchStep): string {
  const operands = inputs.map(({ value, shape, strides, offset }) =>
    `${value.dtype}[${shape}]/${strides}${offset ? `+${offset}` : ""}`
  );
  return `${label}${textOf(attributes)} ${operands.join(" ")} -> ${shapes.map((shape) => `[${shape}]`)}`;
}

/** There are many of those in a network, and how they are best cut hardly depends on shapes: by the power of two. */
function classOfGroup({ steps, stores, length }: Group): string {
  const operands = externalViews(steps).map((view) => view.value.dtype + (isWhole(view) ? "" : "[...]"));
  const elements = 2 ** Math.ceil(Math.log2(Math.min(length, MOST_ELEMENTS)));
  const labels = steps.map(({ label }) => label).join("+");
  return `${labels} ${operands.join(" ")} -> ${stores.map(({ dtype }) => dtype)}[up to ${elements}]`;
}
