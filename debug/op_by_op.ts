/**
 * The work of `compareOps`: a graph computed on a device once more with all its results read, and each op again on the CPU,
 * from the device's operands with bounds, and from the CPU's own.
 *
 * @module
 */

import { cpuDevice } from "../backends/cpu/mod.ts";
import { leaf } from "../tensor/create.ts";
import { apply, type GraphNode } from "../tensor/declare.ts";
import type { Device } from "../tensor/device.ts";
import type { HostArray } from "../tensor/dtype.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { AsFused } from "./as_fused.ts";
import { analyse } from "./bounds.ts";
import type { OpComparison } from "./compare.ts";
import { type ComparedGraph, compareOutput, contracted, openedBy } from "./measured.ts";

/** A comparison under way: the device's numbers and the CPU's own, each kept as long as an op still needs them. */
export class OpByOp {
  readonly #cpu: Device = cpuDevice("f32");
  readonly #graph: ComparedGraph;
  readonly #uses: Map<Tensor, number> = new Map();
  /** What stands for a tensor on the device: a leaf with its numbers, or an op on such. It keeps no others alive. */
  readonly #copies: Map<Tensor, Tensor> = new Map();
  readonly #numbers: Map<Tensor, { readonly got: HostArray; readonly endToEnd: HostArray }> = new Map();
  #breathed: number = performance.now();

  constructor(graph: ComparedGraph) {
    this.#graph = graph;
    for (const input of graph.nodes.flatMap(({ inputs }) => inputs)) {
      this.#uses.set(input, (this.#uses.get(input) ?? 0) + 1);
    }
    for (const leaf of graph.leaves) this.#enter(leaf);
  }

  /** Takes a tensor whose numbers were read. */
  #enter(start: Tensor): void {
    const got = start.hostData!;
    this.#numbers.set(start, { got, endToEnd: got });
    this.#copies.set(start, leaf(got, start, this.#graph.device));
  }

  /** Computes nodes on the device, in one evaluation that reads all their results. */
  async evaluate(nodes: readonly GraphNode[]): Promise<void> {
    const asked: [Tensor, Tensor][] = [];
    for (const { op, inputs, outputs, attributes } of nodes) {
      const copies = apply(op, inputs.map((input) => this.#copies.get(input)!), attributes);
      outputs.forEach((output, i) => {
        if (!this.#graph.used.has(output)) return;
        this.#copies.set(output, copies[i]!);
        asked.push([output, copies[i]!]);
      });
    }
    await this.#graph.device.evaluate(asked.map(([, copy]) => copy), true);
    for (const [output, copy] of asked) {
      this.#copies.set(output, leaf(copy.hostData!, copy, this.#graph.device));
    }
  }

  /** Compares a node that was computed, and hands its numbers on to be held against those of fused kernels. */
  async compare(node: GraphNode, fused: AsFused): Promise<OpComparison> {
    await this.#breathe();
    const { op, inputs, attributes } = node;
    const operands = inputs.map((input) => leaf(this.#numbers.get(input)!.got, input, this.#cpu));
    const local = apply(op, operands, attributes);
    const used = [...node.outputs.keys()].filter((i) => this.#graph.used.has(node.outputs[i]!));
    const bounds = analyse(used.map((i) => local[i]!), contracted([{ node, operands }]));
    const own = apply(
      op,
      inputs.map((input) => leaf(this.#numbers.get(input)!.endToEnd, input, this.#cpu)),
      attributes,
    );
    await this.#cpu.evaluate(used.map((i) => own[i]!), true);
    const finite = operands.every(({ hostData }) => hostData!.every(Number.isFinite));
    const outputs = used.map((i) => {
      const output = node.outputs[i]!;
      const [got, endToEnd] = [this.#copies.get(output)!.hostData!, own[i]!.hostData!];
      this.#numbers.set(output, { got, endToEnd });
      fused.see(output, { got, endToEnd });
      const expected = bounds.get(local[i]!)!;
      const known = this.#graph.roots.has(output) ? output.hostData! : got;
      return compareOutput(output, got, finite ? expected : openedBy(expected, got), known, endToEnd);
    });
    for (const input of inputs) this.#uses.set(input, this.#uses.get(input)! - 1);
    for (const tensor of [...inputs, ...node.outputs]) {
      if (this.#uses.get(tensor)) continue;
      this.#numbers.delete(tensor);
      this.#copies.delete(tensor);
    }
    return { node, fused: null, outputs, worst: Math.max(...outputs.map(({ worst }) => worst)) };
  }

  /** Lets Ctrl-C and timers through: the CPU computes on this thread. */
  async #breathe(): Promise<void> {
    if (performance.now() - this.#breathed < 50) return;
    await new Promise((resolve) => setTimeout(resolve, 0));
    this.#breathed = performance.now();
  }
}
