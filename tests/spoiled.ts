// A device that gets something wrong.

import assert from "node:assert/strict";
import { type Comparison, describeOp } from "../debug/mod.ts";
import { Device, type Tensor } from "../mod.ts";

/** The device, but what its ops of this name give is changed by `spoil`, which is told what else was asked for. */
export function spoiled(
  right: Device,
  name: string,
  spoil: (data: Float32Array, tensor: Tensor, asked: ReadonlySet<Tensor>) => void,
): Device {
  const { backend } = right;
  return new Device(right.name, "gets something wrong", {
    precision: backend.precision,
    supports: (dtype) => backend.supports(dtype),
    async evaluate(request) {
      const results = await backend.evaluate(request);
      const asked = new Set(request.outputs.map(({ tensor }) => tensor));
      request.outputs.forEach(({ tensor }, i) => {
        const result = results[i]!;
        if (tensor.node?.op.name === name && result instanceof Float32Array) spoil(result, tensor, asked);
      });
      return results;
    },
    createState: (spec) => backend.createState(spec),
    writeState: (storage, data, spec) => backend.writeState(storage, data, spec),
    destroy: () => backend.destroy(),
  });
}

/** Throws unless all of a comparison is within its bounds. */
export function assertRight({ ops, first }: Comparison): void {
  assert.equal(first, null, first ? describeOp(first) : "");
  for (const { worst, outputs } of ops) {
    assert(worst >= 0 && worst <= 1);
    for (const output of outputs) {
      assert(Math.abs(output.got - output.want) <= output.bound);
      assert(output.fused >= 0 && output.endToEnd >= 0 && output.exact + output.open <= output.elements);
    }
  }
}
