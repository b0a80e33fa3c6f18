/**
 * The work of `compareOps`: a graph computed on a device once more with all its results read, and each op again on the CPU,
 * from the device's operands with bounds, and from the CPU's own.
 *
 * @module
 */

import { cpuDevice } from "../backends/cpu/mod.ts";
import { apply, type GraphNode, type Spec } from "../tensor/declare.ts";
import type { Device } from "../tensor/device.ts";
import { type DType, type HostArray, isFloat } from "../tensor/dtype.ts";
import type { Shape } from "../tensor/shape.ts";
import { Tensor } from "../tensor/tensor.ts";
import { analyse, type Bounded, measure } from "./bounds.ts";
import type { OpComparison, OutputComparison } from "./compare.ts";
import { ULP } from "./roundings.ts";

/** A comparison under way: the device's numbers and the CPU's own, each kept as long as an op still needs them. */
export class OpByOp {
  readonly #cpu: Device = cpuDevice("f32");
  readonly #device: Device;
  readonly #roots: ReadonlySet<Tensor>;
  readonly #used: ReadonlySet<Tensor>;
  readonly #uses: Map<Tensor, number> = new Map();
  /** What stands for a tensor on the device: a leaf with its numbers, or an op on such. It keeps no others alive. */
  readonly #copies: Map<Tensor, Tensor> = new Map();
  readonly #numbers: Map<Tensor, { readonly got: HostArray; readonly endToEnd: HostArray }> = new Map();
  #breathed: number = performance.now();

  constructor(
    device: Device,
    roots: readonly Tensor[],
    used: ReadonlySet<Tensor>,
    nodes: readonly GraphNode[],
  ) {
    this.#device = device;
    this.#roots = new Set(roots);
    this.#used = used;
    for (const input of nodes.flatMap(({ inputs }) => inputs)) {
      this.#uses.set(input, (this.#uses.get(input) ?? 0) + 1);
    }
  }

  /** Takes a tensor whose numbers were read. */
  enter(leaf: Tensor): void {
    const got = leaf.hostData!;
    this.#numbers.set(leaf, { got, endToEnd: got });
    this.#copies.set(leaf, leafOn(this.#device, leaf, got));
  }

  /** Computes nodes on the device, in one evaluation that reads all their results. */
  async evaluate(nodes: readonly GraphNode[]): Promise<void> {
    const asked: [Tensor, Tensor][] = [];
    for (const { op, inputs, outputs, attributes } of nodes) {
      const copies = apply(op, inputs.map((input) => this.#copies.get(input)!), attributes);
      outputs.forEach((output, i) => {
        if (!this.#used.has(output)) return;
        this.#copies.set(output, copies[i]!);
        asked.push([output, copies[i]!]);
      });
    }
    await this.#device.evaluate(asked.map(([, copy]) => copy), true);
    for (const [output, copy] of asked) this.#copies.set(output, leafOn(this.#device, copy, copy.hostData!));
  }

  /** Compares a node that was computed. */
  async compare(node: GraphNode): Promise<OpComparison> {
    await this.#breathe();
    const { op, inputs, attributes } = node;
    const operands = inputs.map((input) => leafOn(this.#cpu, input, this.#numbers.get(input)!.got));
    const local = apply(op, operands, attributes);
    const used = [...node.outputs.keys()].filter((i) => this.#used.has(node.outputs[i]!));
    const bounds = analyse(used.map((i) => local[i]!), contracted(node, operands));
    const own = apply(
      op,
      inputs.map((input) => leafOn(this.#cpu, input, this.#numbers.get(input)!.endToEnd)),
      attributes,
    );
    await this.#cpu.evaluate(used.map((i) => own[i]!), true);
    const finite = operands.every(({ hostData }) => hostData!.every(Number.isFinite));
    const outputs = used.map((i) => {
      const output = node.outputs[i]!;
      const [got, endToEnd] = [this.#copies.get(output)!.hostData!, own[i]!.hostData!];
      this.#numbers.set(output, { got, endToEnd });
      const expected = bounds.get(local[i]!)!;
      const known = this.#roots.has(output) ? output.hostData! : got;
      return compareOutput(output, got, finite ? expected : openedBy(expected, got), known, endToEnd);
    });
    for (const input of inputs) this.#uses.set(input, this.#uses.get(input)! - 1);
    for (const tensor of [...inputs, ...node.outputs]) {
      if (this.#uses.get(tensor)) continue;
      this.#numbers.delete(tensor);
      this.#copies.delete(tensor);
    }
    return { node, outputs, worst: Math.max(...outputs.map(({ worst }) => worst)) };
  }

  /** Lets Ctrl-C and timers through: the CPU computes on this thread. */
  async #breathe(): Promise<void> {
    if (performance.now() - this.#breathed < 50) return;
    await new Promise((resolve) => setTimeout(resolve, 0));
    this.#breathed = performance.now();
  }
}

function leafOn(device: Device, spec: Spec, data: HostArray): Tensor {
  const leaf = new Tensor({ shape: spec.shape, dtype: spec.dtype }, device, null);
  leaf.setValue({ kind: "host", data });
  return leaf;
}

/** What a fused kernel may make of a product before it adds to it. */
const ADDING: ReadonlySet<string> = new Set(["add", "sub"]);

/**
 * The operands of a sum that are results themselves carry one rounding: in a fused kernel a compiler may contract a product
 * and a sum, and then the product that was stored is not the one that was added.
 */
function contracted({ op, inputs }: GraphNode, operands: readonly Tensor[]): Map<Tensor, Bounded> {
  const given = new Map<Tensor, Bounded>();
  if (op.decompose === undefined && !ADDING.has(op.name)) return given;
  operands.forEach((operand, i) => {
    const { shape, dtype, hostData } = operand;
    if (!isFloat(dtype) || inputs[i]!.node === null) return;
    const data = new Float64Array(hostData!);
    given.set(operand, { shape, dtype, data, errors: data.map((value) => Math.abs(value) * ULP) });
  });
  return given;
}

/** From operands that are not finite, a device may make NaN and infinities where the CPU has none, and the reverse. */
function openedBy(expected: Bounded, got: HostArray): Bounded {
  const errors = expected.errors.map((error, i) =>
    Number.isFinite(expected.data[i]) && Number.isFinite(got[i]) ? error : Infinity
  );
  return { ...expected, errors };
}

function compareOutput(
  tensor: Tensor,
  got: HostArray,
  expected: Bounded,
  known: HostArray,
  endToEnd: HostArray,
): OutputComparison {
  const { shape, dtype } = tensor;
  const { worst, at, elements, exact, open } = measure(got, expected);
  let largest = 0;
  for (const value of got) {
    const magnitude = Math.abs(value);
    if (magnitude > largest && magnitude < Infinity) largest = magnitude;
  }
  const unit = ulpOf(largest, dtype);
  const element = { got: got[at] ?? 0, want: expected.data[at] ?? 0, bound: expected.errors[at] ?? 0 };
  return {
    tensor,
    shape,
    dtype,
    worst,
    at: at < 0 ? null : indexOf(at, shape),
    ...element,
    ulps: Math.abs(element.got - element.want) / unit,
    endToEnd: distance(known, endToEnd) / unit,
    fused: known === got ? 0 : distance(known, got) / unit,
    largest,
    elements,
    exact,
    open,
  };
}

/** The largest difference of two numbers at the same place. */
function distance(a: HostArray, b: HostArray): number {
  let largest = 0;
  for (let i = 0; i < a.length; i++) {
    const apart = Object.is(a[i], b[i]) ? 0 : Math.abs(a[i]! - b[i]!);
    // NaN beside a number is as far as can be.
    largest = apart >= 0 ? Math.max(largest, apart) : Infinity;
  }
  return largest;
}

/** The distance of two neighbours at a number; of whole numbers 1. */
function ulpOf(value: number, dtype: DType): number {
  if (!isFloat(dtype)) return 1;
  const [smallest, digits] = dtype === "f16" ? [-14, 10] : [-126, 23];
  return 2 ** (Math.max(smallest, Math.floor(Math.log2(value || 1))) - digits);
}

function indexOf(at: number, shape: Shape): number[] {
  let rest = at;
  return shape.toReversed().map((extent) => {
    const index = rest % extent;
    rest = (rest - index) / extent;
    return index;
  }).reverse();
}
