/**
 * Finds the backend that makes plans, and imports it on demand. The CPU backend computes op by op and makes none.
 *
 * @module
 */

import type { Device } from "../tensor/mod.ts";
import type { PlanningBackend } from "./webgpu/planner.ts";

export type { PlanDescription, ValueDescription } from "./webgpu/describe_plan.ts";
export type { PlannedEvaluation, PlanningBackend } from "./webgpu/planner.ts";

/**
 * Makes a device that plans for the adapter that is there, and computes nothing.
 *
 * @throws {Error} where there is no adapter; the sentence says how to get one.
 */
export async function planningDevice(
  gpu: "auto" | "dawn",
): Promise<{ readonly device: Device; readonly planner: PlanningBackend }> {
  return await (await import("./webgpu/planner.ts")).openPlanner(gpu);
}
