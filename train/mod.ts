/**
 * Training: optimiser, loop, evaluation, and the jobs of the command line.
 *
 * @module
 */

export { prepareCheck, runCheck } from "./check_job.ts";
export { type Checkpoint, type ModelFile, openCheckpoint, readModelFile } from "./checkpoint.ts";
export type { CheckpointOptions } from "./checkpoints.ts";
export { readHistory } from "./history.ts";
export type { Manifest, Position, RunNote } from "./manifest.ts";
export { type GivenSettings, resumedSettings } from "./resume.ts";
export { type Evaluation, Evaluator, type EvaluatorOptions } from "./evaluate.ts";
export {
  type DoneEvent,
  type EvalEvent,
  type Reporter,
  type StartEvent,
  type StepEvent,
  type Subject,
  tellAll,
  type TrainEvent,
} from "./events.ts";
export type { ComparedFailure, ComparedPart, ComparedTensor, CompareEvent } from "./comparison.ts";
export {
  GRADIENT_TOLERANCE,
  type GradientEvent,
  type NetworkCheck,
  networkGradients,
  wrongGradients,
} from "./gradient_check.ts";
export {
  type CheckDoneEvent,
  type CheckEvent,
  type CheckReporter,
  type CheckStartEvent,
  jsonCheckReporter,
  textCheckReporter,
} from "./gradient_report.ts";
export { type Interrupt, listenForInterrupt } from "./interrupt.ts";
export { type DatasetName, type Job, type JobSettings, prepareJob, runJob, tableOf } from "./job.ts";
export { train, type TrainOptions, type TrainResult } from "./loop.ts";
export type { Keeper, Restored, States } from "./states.ts";
export { LossScale, type LossScaleOptions } from "./loss_scale.ts";
export { makeProgressLine, type ProgressLine } from "./progress_line.ts";
export { type Recipe, recipes } from "./recipes.ts";
export { type PlanJob, planStep, preparePlan } from "./plan_job.ts";
export { jsonReporter, type TextOutput, textReporter } from "./report.ts";
export { makeSchedule, type Schedule, type ScheduleName, type ScheduleState } from "./schedule.ts";
export { SGD, type SGDOptions, type SGDStepOptions } from "./sgd.ts";
export { type StepOptions, type StepResult, TrainingStep, type TrainPrecision } from "./step.ts";
export { UsageError } from "./usage_error.ts";
