/**
 * What plans are built with.
 *
 * @module
 */

import type { apply } from "../../tensor/declare.ts";
import type { Device, tensor } from "../../tensor/mod.ts";
import type { compile, Limits } from "./compile.ts";
import type { Failures } from "./failures.ts";
import type { Guard } from "./guard.ts";
import type { Memory } from "./memory.ts";
import type { Pipelines } from "./pipelines.ts";
import type { Plan } from "./plan.ts";

/** What a plan is built with. */
export interface Gear {
  readonly device: GPUDevice;
  readonly memory: Memory;
  readonly pipelines: Pipelines;
  readonly failures: Failures;
  readonly limits: Limits;
  /** Whether `mapAsync` keeps the thread until the device has caught up. */
  readonly mappingBlocks: boolean;
  /** Watches the kernels, in tests. */
  readonly guard: Guard | null;
  /** How a program becomes a plan, for the tuner, whose files are loaded on demand and have no copy of their own. */
  readonly compile: typeof compile;
  readonly Plan: typeof Plan;
  /** What an op means, for the same. */
  readonly definition: Library;
}

/** Computes ops by their definitions. */
export interface Library {
  readonly apply: typeof apply;
  readonly tensor: typeof tensor;
  openCpu(): Promise<Device>;
}
