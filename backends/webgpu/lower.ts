/**
 * From the graph of one evaluation to steps over values: composites without a kernel are replaced by their
 * definitions, views dissolve into the way their readers read.
 *
 * @module
 */

import { type AnyOp, definitionOf, type GraphNode } from "../../tensor/declare.ts";
import type { EvaluationRequest } from "../../tensor/device.ts";
import { postorder, unevaluatedOperands } from "../../tensor/graph.ts";
import type { HostArray } from "../../tensor/dtype.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { sizeOf } from "../../tensor/shape.ts";
import type { DispatchKernel, ElementwiseKernel, IndexedKernel, Kernel } from "./kernels/types.ts";
import { kernels } from "./kernels/mod.ts";
import { bufferOfStorage } from "./memory.ts";
import { isWhole, type PlanValue, type View, wholeView } from "./values.ts";

/** An op over values whose elements can be computed one by one, and so in the kernel of a neighbour. */
export interface ElementwiseStep {
  readonly kind: "elementwise";
  readonly label: string;
  readonly kernel: ElementwiseKernel<never> | IndexedKernel<never>;
  readonly attributes: never;
  readonly inputs: readonly View[];
  readonly output: PlanValue;
  readonly shape: readonly number[];
}

/** An op with dispatches of its own, over values. */
export interface DispatchStep {
  readonly kind: "dispatch";
  readonly label: string;
  readonly op: AnyOp;
  readonly kernel: DispatchKernel<never>;
  readonly attributes: never;
  readonly inputs: readonly View[];
  readonly outputs: readonly PlanValue[];
  readonly shapes: readonly (readonly number[])[];
}

/** One op. */
export type Step = ElementwiseStep | DispatchStep;

/** The evaluation as steps. */
export interface Program {
  /** Operands first. */
  readonly steps: readonly Step[];
  /** For each output, its value. */
  readonly outputs: readonly { readonly value: PlanValue; readonly read: boolean }[];
  readonly updates: readonly { readonly buffer: GPUBuffer; readonly value: PlanValue }[];
}

/** A tensor whose numbers are there, and where they were when it was asked: later it may be disposed of. */
export interface Leaf {
  readonly tensor: Tensor;
  readonly data: HostArray | GPUBuffer;
}

/** The evaluation's tensors, numbered, and the text under which its plan is kept. */
export interface Structure {
  readonly key: string;
  readonly order: readonly Tensor[];
  /** Those of `order` whose numbers are there already, on the host or in storage, states excepted. */
  readonly leaves: readonly Leaf[];
  /** The states whose present content is read. */
  readonly states: readonly GPUBuffer[];
}

/** The kernel of an op, if there is one for its attributes. */
function kernelOf({ op, attributes }: GraphNode): Kernel<never> | undefined {
  const kernel = (kernels as Readonly<Record<string, Kernel<never>>>)[op.name];
  return kernel?.kind === "dispatch" && kernel.takes?.(attributes as never) === false ? undefined : kernel;
}

function operands(tensor: Tensor): readonly Tensor[] {
  const inputs = unevaluatedOperands(tensor);
  return inputs.length === 0 || kernelOf(tensor.node!) ? inputs : [definition(tensor)];
}

/** What a composite's output stands for. */
function definition(tensor: Tensor): Tensor {
  return definitionOf(tensor.node!)[tensor.node!.outputs.indexOf(tensor)]!;
}

function leafOf(tensor: Tensor): Leaf {
  const { value } = tensor;
  if (value?.kind === "host") return { tensor, data: value.data };
  if (value?.kind === "resident") return { tensor, data: bufferOfStorage(value.storage) };
  throw new TypeError("webgpu: a tensor that was to be computed with has no numbers");
}

/** Whether numbers are on the host. */
export function isHostData(data: Leaf["data"]): data is HostArray {
  return ArrayBuffer.isView(data);
}

/** Whether a leaf is passed as a word of the plan's scalars instead of a buffer. */
export function isScalarLeaf({ tensor, data }: Leaf): boolean {
  return tensor.size === 1 && isHostData(data);
}

/** Attributes as text, different for different ones: JSON has no word for NaN and the infinities, and takes its time. */
export function textOf(value: unknown): string {
  if (typeof value === "number") return Object.is(value, -0) ? "-0" : `${value}`;
  if (Array.isArray(value)) return `[${value.map(textOf)}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value) ?? "";
  let text = "";
  for (const name of Object.keys(value)) text += `${name}:${textOf(value[name as keyof typeof value])},`;
  return `{${text}}`;
}

/** Numbers the tensors of an evaluation; equal structures get equal keys whatever the numbers are. */
export function structureOf(request: EvaluationRequest, stateId: (buffer: GPUBuffer) => number): Structure {
  const roots = [
    ...request.outputs.map(({ tensor }) => tensor),
    ...request.updates.map(({ value }) => value),
  ];
  const order = postorder(roots, operands);
  const number = new Map(order.map((tensor, i) => [tensor, i]));
  const leaves: Leaf[] = [];
  const states: GPUBuffer[] = [];
  const words = order.map((tensor) => {
    const { value, node } = tensor;
    if (value?.kind === "state") {
      const buffer = bufferOfStorage(value.state.storage);
      states.push(buffer);
      return `s${stateId(buffer)}`;
    }
    const needed = operands(tensor);
    if (needed.length === 0 || node === null) {
      const leaf = leafOf(tensor);
      leaves.push(leaf);
      return `${!isHostData(leaf.data) ? "r" : isScalarLeaf(leaf) ? "c" : "h"}${tensor.dtype}${tensor.shape}`;
    }
    let inputs = "";
    for (const input of needed) inputs += `,${number.get(input)}`;
    if (kernelOf(node) === undefined) return `=${inputs}`;
    return `${node.op.name}${textOf(node.attributes)}${inputs}#${node.outputs.indexOf(tensor)}`;
  });
  const outputs = request.outputs.map(({ tensor, read }) => `${number.get(tensor)}${read ? "r" : "d"}`);
  const updates = request.updates.map(({ state, value }) =>
    `${stateId(bufferOfStorage(state.storage))}<${number.get(value)}`
  );
  return { key: `${words.join(";")}|${outputs}|${updates}`, order, leaves, states };
}

/** The step that copies a view. */
export function copyStep(view: View, output: PlanValue): ElementwiseStep {
  const kernel = kernels.detach as ElementwiseKernel<never>;
  const { label } = output;
  return {
    kind: "elementwise",
    label,
    kernel,
    attributes: {} as never,
    inputs: [view],
    output,
    shape: view.shape,
  };
}

/** Lowers a numbered graph to steps. What describes plans has `layersOf` a tensor, by which their values are named. */
export function lower(
  request: EvaluationRequest,
  { order, leaves }: Structure,
  layersOf?: (tensor: Tensor) => readonly string[],
): Program {
  const views = new Map<Tensor, View>();
  const steps: Step[] = [];
  const lowered = new Set<GraphNode>();
  const states = new Map<GPUBuffer, PlanValue>();
  let scalars = 0;

  const valueFor = (tensor: Tensor, label: string): PlanValue => ({
    dtype: tensor.dtype,
    length: tensor.size,
    label,
    layers: layersOf?.(tensor),
    home: { kind: "workspace" },
  });

  const leafValue = (tensor: Tensor): PlanValue => {
    const value = valueFor(tensor, "a leaf");
    if (tensor.value?.kind === "state") {
      const buffer = bufferOfStorage(tensor.value.state.storage);
      const known = states.get(buffer);
      if (known) return known;
      value.home = { kind: "state", buffer };
      states.set(buffer, value);
      return value;
    }
    const leaf = leaves.findIndex((each) => each.tensor === tensor);
    value.home = isScalarLeaf(leaves[leaf]!)
      ? { kind: "scalar", leaf, index: scalars++ }
      : { kind: "input", leaf };
    return value;
  };

  /** Copies a view into a value of its own. */
  const materialize = (view: View, label: string): PlanValue => {
    const { dtype } = view.value;
    const output: PlanValue = { dtype, length: sizeOf(view.shape), label, home: { kind: "workspace" } };
    steps.push(copyStep(view, output));
    return output;
  };

  for (const tensor of order) {
    const { node } = tensor;
    if (operands(tensor).length === 0 || node === null) {
      views.set(tensor, wholeView(leafValue(tensor), tensor.shape));
      continue;
    }
    const kernel = kernelOf(node);
    if (kernel === undefined) {
      views.set(tensor, views.get(definition(tensor))!);
      continue;
    }
    if (lowered.has(node)) continue;
    lowered.add(node);
    const inputs = node.inputs.map((input) => views.get(input)!);
    const { op, attributes } = node;
    const { name: label } = op;
    if (kernel.kind === "view") {
      const view = kernel.view(inputs[0]!, attributes) ??
        kernel.view(wholeView(materialize(inputs[0]!, label), node.inputs[0]!.shape), attributes)!;
      views.set(tensor, view);
      continue;
    }
    const outputs = node.outputs.map((output) => valueFor(output, label));
    node.outputs.forEach((output, i) => views.set(output, wholeView(outputs[i]!, output.shape)));
    const shapes = node.outputs.map((output) => output.shape);
    if (kernel.kind === "dispatch") {
      // Constants of one element are words of the plan, which only fused kernels read.
      const buffers = inputs.map((view) =>
        view.value.home.kind === "scalar" ? wholeView(materialize(view, label), view.shape) : view
      );
      steps.push({ kind: "dispatch", label, op, kernel, attributes, inputs: buffers, outputs, shapes });
    } else {
      steps.push({
        kind: "elementwise",
        label,
        kernel,
        attributes,
        inputs,
        output: outputs[0]!,
        shape: shapes[0]!,
      });
    }
  }

  const updated = new Set(request.updates.map(({ state }) => bufferOfStorage(state.storage)));
  /** What leaves the plan lies in order in memory, and is not overwritten before it has left. */
  const exported = (tensor: Tensor, toState: boolean): PlanValue => {
    const view = views.get(tensor)!;
    const { home } = view.value;
    const stays = home.kind === "workspace" ||
      (!toState && (home.kind === "input" || (home.kind === "state" && !updated.has(home.buffer))));
    return isWhole(view) && stays ? view.value : materialize(view, "copy");
  };
  return {
    steps,
    outputs: request.outputs.map(({ tensor, read }) => ({ value: exported(tensor, false), read })),
    updates: request.updates.map(({ state, value }) => ({
      buffer: bufferOfStorage(state.storage),
      value: exported(value, true),
    })),
  };
}
