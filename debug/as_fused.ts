/**
 * The other half of `compareOps`: the graph computed once more as it is trained, fused, where only what is stored in any case
 * is read; and each segment between such numbers held to the bound of its ops.
 *
 * @module
 */

import { cpuDevice } from "../backends/cpu/mod.ts";
import { leaf } from "../tensor/create.ts";
import { apply, type GraphNode } from "../tensor/declare.ts";
import type { Device } from "../tensor/device.ts";
import type { HostArray } from "../tensor/dtype.ts";
import { postorder } from "../tensor/graph.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { analyse, measure } from "./bounds.ts";
import type { OpComparison } from "./compare.ts";
import { type ComparedGraph, compareOutput, contracted, openedBy } from "./measured.ts";
import { type Segment, segmentsOf } from "./segments.ts";

/** An op's numbers as it was computed on its own, and the CPU's own. */
interface Apart {
  readonly got: HostArray;
  readonly endToEnd: HostArray;
}

/** A fused evaluation that is compared segment by segment, as the ops of it come by. */
export class AsFused {
  readonly #cpu: Device = cpuDevice("f32");
  readonly #graph: ComparedGraph;
  readonly #nodeOf: ReadonlyMap<Tensor, GraphNode>;
  readonly #stored: ReadonlySet<Tensor>;
  /** The segments, under the last of their ops. */
  readonly #ending: Map<GraphNode, Segment[]> = new Map();
  readonly #uses: Map<Tensor, number> = new Map();
  readonly #numbers: Map<Tensor, HostArray> = new Map();
  readonly #apart: Map<Tensor, Apart> = new Map();
  /** Whose numbers are the same bits, fused or not. */
  readonly #same: Set<Tensor> = new Set();

  constructor(graph: ComparedGraph) {
    this.#graph = graph;
    const { nodes, roots } = graph;
    this.#nodeOf = new Map(nodes.flatMap((node) => node.outputs.map((output) => [output, node] as const)));
    const segments = segmentsOf(nodes, [...roots]);
    this.#stored = new Set(segments.flatMap(({ outputs }) => outputs));
    const place = new Map(nodes.map((node, i) => [node, i]));
    for (const segment of segments) {
      const last = segment.nodes.reduce((a, b) => place.get(b)! > place.get(a)! ? b : a);
      this.#ending.set(last, [...this.#ending.get(last) ?? [], segment]);
      for (const tensor of this.#reads(segment)) this.#uses.set(tensor, (this.#uses.get(tensor) ?? 0) + 1);
    }
  }

  /** Computes the graph in one evaluation. */
  async evaluate(): Promise<void> {
    const copies = new Map<Tensor, Tensor>();
    for (const start of this.#graph.leaves) {
      this.#numbers.set(start, start.hostData!);
      copies.set(start, leaf(start.hostData!, start, this.#graph.device));
    }
    for (const { op, inputs, outputs, attributes } of this.#graph.nodes) {
      const made = apply(op, inputs.map((input) => copies.get(input)!), attributes);
      outputs.forEach((output, i) => copies.set(output, made[i]!));
    }
    const stored = [...this.#stored];
    await this.#graph.device.evaluate(stored.map((tensor) => copies.get(tensor)!), true);
    for (const tensor of stored) this.#numbers.set(tensor, copies.get(tensor)!.hostData!);
  }

  /** Takes an op's result as it was computed on its own. */
  see(output: Tensor, apart: Apart): void {
    if (!this.#stored.has(output)) return;
    this.#apart.set(output, apart);
    const fused = this.#numbers.get(output)!;
    const asTrained = this.#graph.roots.has(output) ? output.hostData! : fused;
    if (isSame(apart.got, fused) && isSame(apart.got, asTrained)) this.#same.add(output);
  }

  /** Compares the segments that end with a node. Where all numbers are those of the ops on their own, nothing is new. */
  compareAfter(node: GraphNode): OpComparison[] {
    const segments = this.#ending.get(node) ?? [];
    const found = segments.flatMap((segment) => this.#isKnown(segment) ? [] : this.#compare(segment));
    for (const segment of segments) {
      for (const output of segment.outputs) this.#apart.delete(output);
      for (const tensor of this.#reads(segment)) {
        this.#uses.set(tensor, this.#uses.get(tensor)! - 1);
        if (this.#uses.get(tensor) === 0) this.#numbers.delete(tensor);
      }
    }
    return found;
  }

  #isKnown(segment: Segment): boolean {
    return this.#reads(segment).every((tensor) => this.#graph.leaves.has(tensor) || this.#same.has(tensor));
  }

  #isInside(tensor: Tensor): boolean {
    return !this.#stored.has(tensor) && this.#nodeOf.has(tensor);
  }

  /** The nodes that a segment is computed by, with the views that it reads through. */
  #order({ outputs }: Segment): GraphNode[] {
    return postorder(
      outputs.map((output) => this.#nodeOf.get(output)!),
      ({ inputs }) =>
        inputs.filter((input) => this.#isInside(input)).map((input) => this.#nodeOf.get(input)!),
    );
  }

  /** What is stored before a segment, and what it stores. */
  #reads(segment: Segment): Tensor[] {
    const before = this.#order(segment).flatMap(({ inputs }) =>
      inputs.filter((input) => !this.#isInside(input))
    );
    return [...new Set([...before, ...segment.outputs])];
  }

  #compare(segment: Segment): OpComparison {
    const known = new Map<Tensor, Tensor>();
    const computed = new Map<Tensor, Tensor>();
    const operandOf = (input: Tensor): Tensor => {
      if (this.#isInside(input)) return computed.get(input)!;
      if (!known.has(input)) known.set(input, leaf(this.#numbers.get(input)!, input, this.#cpu));
      return known.get(input)!;
    };
    const applied = this.#order(segment).map((node) => {
      const operands = node.inputs.map(operandOf);
      const made = apply(node.op, operands, node.attributes);
      node.outputs.forEach((output, i) => computed.set(output, made[i]!));
      return { node, operands };
    });
    const bounds = analyse(segment.outputs.map((output) => computed.get(output)!), contracted(applied));
    const finite = [...known.values()].every(({ hostData }) => hostData!.every(Number.isFinite));
    const fromLeaves = [...known.keys()].every((tensor) => this.#graph.leaves.has(tensor));
    const outputs = segment.outputs.map((output) => {
      const expected = bounds.get(computed.get(output)!)!;
      const { got: apart, endToEnd } = this.#apart.get(output)!;
      const fused = this.#numbers.get(output)!;
      // From the same operands, the numbers that were trained with have the same bounds.
      const asTrained = fromLeaves && this.#graph.roots.has(output) ? output.hostData! : fused;
      const [a, b] = [fused, asTrained].map((got) => {
        const allowed = finite ? expected : openedBy(expected, got);
        return { got, allowed, worst: measure(got, allowed).worst };
      });
      const { got, allowed } = b!.worst > a!.worst ? b! : a!;
      return { ...compareOutput(output, got, allowed, apart, endToEnd) };
    });
    const worst = Math.max(...outputs.map((output) => output.worst));
    const node = this.#nodeOf.get(outputs.find((output) => output.worst === worst)!.tensor)!;
    return { node, fused: segment.nodes, outputs, worst };
  }
}

function isSame(a: HostArray, b: HostArray): boolean {
  return a === b || a.every((value, i) => Object.is(value, b[i]));
}
