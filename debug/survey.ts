/**
 * A graph computed once more with a look at every number in it, a part at a time, so that large networks fit. The graph
 * itself stays as it is: ops are applied to copies, and only what is said about their results is kept.
 *
 * @module
 */

import { leaf } from "../tensor/create.ts";
import { apply, type GraphNode } from "../tensor/declare.ts";
import type { HostArray } from "../tensor/dtype.ts";
import { postorder } from "../tensor/graph.ts";
import type { Tensor } from "../tensor/mod.ts";

/** What is known of a tensor's numbers. */
export interface Surveyed {
  /** Row-major index of the first that is NaN or infinite; -1 where all are finite. */
  readonly at: number;
  /** The number there. */
  readonly value: number;
  /** The smallest and the largest number, NaN left out; null where there are none. */
  readonly range: readonly [number, number] | null;
}

/** A tensor of the graph, and what it was computed from when the survey began. */
export interface Site {
  /** The tensor. */
  readonly tensor: Tensor;
  /** How it is computed; null for a leaf, or for a copy from another device. */
  readonly node: GraphNode | null;
  /** What it is computed from; none for a leaf. */
  readonly operands: readonly Tensor[];
}

/** So many bytes of results are computed and read in one evaluation. */
const AT_ONCE = 2 ** 28;

/** Graphs that start from the same leaves, whose numbers are kept: parameters may be updated meanwhile. */
export class Survey {
  /** The leaves, and copies of them. */
  readonly #leaves: Map<Tensor, Tensor> = new Map();

  /**
   * The first tensor, operands first, that is not finite while its operands are, and from which that comes to one of
   * `roots`; null where all of these are finite. The walk goes through those in `opened` though their numbers are there.
   */
  async firstBad(roots: readonly Tensor[], opened: ReadonlySet<Tensor>): Promise<
    { readonly site: Site; readonly known: ReadonlyMap<Tensor, Surveyed> } | null
  > {
    const sites = new Map<Tensor, Site>();
    const operandsOf = (tensor: Tensor) => opened.has(tensor) ? tensor.node!.inputs : unknownOperands(tensor);
    for (const tensor of postorder(roots, operandsOf)) {
      sites.set(tensor, { tensor, node: tensor.node, operands: operandsOf(tensor) });
    }
    const known = await this.#lookAt([...sites.values()], roots);
    const isBad = (tensor: Tensor) => known.get(tensor)!.at >= 0;
    const culprits = new Set(
      postorder(roots.filter(isBad), (tensor) => sites.get(tensor)!.operands.filter(isBad)),
    );
    for (const site of sites.values()) {
      if (culprits.has(site.tensor) && !site.operands.some(isBad)) return { site, known };
    }
    return null;
  }

  async #lookAt(sites: readonly Site[], roots: readonly Tensor[]): Promise<Map<Tensor, Surveyed>> {
    const known = new Map<Tensor, Surveyed>();
    await this.#readLeaves(sites);
    const copies = new Map(this.#leaves);
    for (const [tensor, copy] of copies) known.set(tensor, look(copy.hostData!));
    const uses = new Map<Tensor, number>();
    for (const tensor of [...roots, ...sites.flatMap(({ operands }) => operands)]) {
      uses.set(tensor, (uses.get(tensor) ?? 0) + 1);
    }
    let asked = new Map<Tensor, Tensor>();
    const compute = async () => {
      await readAll([...asked.values()]);
      for (const [tensor, copy] of asked) {
        known.set(tensor, look(copy.hostData!));
        // A leaf, which does not keep alive what it was computed from.
        if (uses.get(tensor)) copies.set(tensor, leaf(copy.hostData!, tensor, tensor.device));
      }
      asked = new Map();
    };
    let bytes = 0;
    for (const { tensor, node, operands } of sites) {
      if (operands.length > 0 && !copies.has(tensor)) {
        const made = node === null
          ? [copies.get(operands[0]!)!.to(tensor.device)]
          : apply(node.op, operands.map((operand) => copies.get(operand)!), node.attributes);
        (node?.outputs ?? [tensor]).forEach((output, i) => {
          if (output !== tensor && !uses.has(output)) return;
          copies.set(output, made[i]!);
          asked.set(output, made[i]!);
          bytes += 4 * output.size;
        });
      }
      if (bytes >= AT_ONCE) {
        await compute();
        bytes = 0;
      }
      for (const operand of operands) {
        uses.set(operand, uses.get(operand)! - 1);
        if (uses.get(operand) === 0) copies.delete(operand);
      }
    }
    await compute();
    return known;
  }

  /** Reads the leaves in one evaluation, which may carry out updates of them: afterwards they are gone. */
  async #readLeaves(sites: readonly Site[]): Promise<void> {
    const leaves = sites.filter(({ tensor, operands }) => operands.length === 0 && !this.#leaves.has(tensor));
    await readAll(leaves.map(({ tensor }) => tensor));
    for (const { tensor } of leaves) {
      this.#leaves.set(tensor, leaf(tensor.hostData!, tensor, tensor.device));
    }
  }
}

/** Where the walk goes on: not from numbers that are there. */
function unknownOperands({ value, node, origin }: Tensor): readonly Tensor[] {
  if (value !== null) return [];
  return node?.inputs ?? (origin ? [origin] : []);
}

async function readAll(tensors: readonly Tensor[]): Promise<void> {
  // A copy starts from numbers on another device: in one go, so that no update comes between.
  const devices = new Set(tensors.map(({ device }) => device));
  await Promise.all(
    [...devices].map((device) => device.evaluate(tensors.filter((tensor) => tensor.device === device), true)),
  );
}

function look(data: HostArray): Surveyed {
  let [low, high, at] = [Infinity, -Infinity, -1];
  for (let i = 0; i < data.length; i++) {
    const value = data[i]!;
    if (value < low) low = value;
    if (value > high) high = value;
    if (at < 0 && !Number.isFinite(value)) at = i;
  }
  return { at, value: data[at] ?? 0, range: low <= high ? [low, high] : null };
}
