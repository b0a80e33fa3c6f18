/**
 * A compared step for people: a table of layers, one of parameters, and a verdict.
 *
 * @module
 */

import type { ComparedPart, ComparedTensor, CompareEvent } from "./comparison.ts";

/** What the columns mean, once a run. */
const LEGEND: readonly string[] = [
  "",
  "ulps   how far from a step of the CPU's own, in units in the last place of the tensor's largest value",
  "bound  how far off are the ops that lead there, on the device's own operands, as a fraction of what is allowed",
];

/** The lines of a compared step. */
export function comparisonLines(event: CompareEvent): string[] {
  const { step, loss, seconds } = event;
  return [
    ...(step === 1 ? LEGEND : []),
    "",
    `step ${step}: loss ${loss === null ? "not finite" : loss.toFixed(4)}, compared in ${
      seconds.toFixed(1)
    } s`,
    ...table("layer", ["output", "input gradient"], event.tensors),
    "",
    ...table("parameter", ["gradient", "velocity", "weight"], event.tensors),
    "",
    verdict(event),
    ...(event.fused === 0 ? [] : [
      `step ${step}: fused, as they are trained, weights and loss differ from these ops by ${
        units(event.fused)
      } ulps`,
    ]),
  ];
}

/** Whether every op is right, or which is the first that is not. */
function verdict({ step, ops, worst, worstOp, fusedApart, failure }: CompareEvent): string {
  if (failure) return `step ${step}: ${failure.message}`;
  const kernels = fusedApart === 0 ? "" : `, and so are ${fusedApart} fused groups with other numbers`;
  return `step ${step}: every op of ${ops} is within its bound${kernels}; closest to it: ${worstOp}, ${
    ratio(worst)
  } of it`;
}

const NUMBERS = ["largest", "ulps", "bound"];
const WIDTHS = [9, 8, 7];

function table(title: string, parts: readonly ComparedPart[], tensors: readonly ComparedTensor[]): string[] {
  const of = (part: ComparedPart) =>
    new Map(tensors.filter((tensor) => tensor.part === part).map((tensor) => [tensor.name, tensor]));
  const columns = parts.map(of);
  const names = [...new Set(columns.flatMap((column) => [...column.keys()]))];
  const shapes = names.map((name) => (columns[0]!.get(name)?.shape ?? []).join("x"));
  const width = Math.max(title.length, ...names.map((name) => name.length));
  const shapeWidth = Math.max(5, ...shapes.map((shape) => shape.length));
  const cells = (texts: readonly string[]) => texts.map((text, i) => text.padStart(WIDTHS[i]!)).join("");
  const group = WIDTHS.reduce((a, b) => a + b);
  const line = (name: string, shape: string, groups: readonly string[]) =>
    `${name.padEnd(width)}  ${shape.padEnd(shapeWidth)}${groups.join("  ")}`.trimEnd();
  return [
    line("", "", parts.map((part) => `   - ${part} `.padEnd(group, "-"))),
    line(title, "shape", parts.map(() => cells(NUMBERS))),
    ...names.map((name, i) =>
      line(
        name,
        shapes[i]!,
        columns.map((column) => {
          const tensor = column.get(name);
          return cells(
            tensor ? [amount(tensor.largest), units(tensor.ulps), ratio(tensor.worst)] : ["", "", ""],
          );
        }),
      )
    ),
  ];
}

function amount(value: number): string {
  return value === 0 || (value >= 0.001 && value < 1e4)
    ? value.toPrecision(3).slice(0, 6)
    : value.toExponential(1);
}

function units(value: number | null): string {
  if (value === null) return "inf";
  return value < 1e4 ? value.toFixed(1) : value.toExponential(0);
}

/** Beyond the bound it gets a mark. */
function ratio(value: number | null): string {
  if (value === null) return "!inf";
  if (value <= 1) return value === 0 ? "0" : value < 0.005 ? "<0.01" : value.toFixed(2);
  return `!${value < 1000 ? value.toPrecision(3) : value.toExponential(0)}`;
}
