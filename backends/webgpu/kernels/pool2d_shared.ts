/**
 * Max-pooling for GPUs: a lane has an output, so that neighbours read and store neighbours, and the bytes that say where the
 * largest stood are put together to words in the workgroup's memory.
 *
 * @module
 */

import type { PoolGeometry } from "../../../tensor/ops/pool2d.ts";
import { onCores } from "../cores.ts";
import type { MaxPool } from "./pool2d.ts";
import { LANES } from "./shapes.ts";
import type { KernelContext } from "./types.ts";

/** Emits the pooling. False: left to lanes on their own. */
export function sharedMaxPool(
  context: KernelContext<PoolGeometry>,
  { visits, element, bindings, params }: MaxPool,
): boolean {
  const { outputs: [y, index], attributes: { stride }, parallelism } = context;
  if (onCores(parallelism) || index!.dtype !== "u8") return false;
  context.dispatch({
    bindings,
    params,
    functions:
      `var<workgroup> places: array<u32, ${LANES}>;\nconst BYTES = vec4<u32>(1u, 1u << 8u, 1u << 16u, 1u << 24u);`,
    body: `
  var place = -1;
  if (i < p.invocations) {
    let plane = i / p.columns / p.rows;
    // Unsigned: above and left of the image wraps round to beyond it.
    let top = i / p.columns % p.rows * ${stride[0]}u - p.paddingTop;
    let left = i % p.columns * ${stride[1]}u - p.paddingLeft;
    let at = p.offset + plane / p.channels * p.imageStride + plane % p.channels * p.channelStride +
      top * p.lineStride + left * p.pixelStride;
    var best = 0.0;
    ${visits}
    set_y(i, ${element}(best));
  }
  places[lane] = u32(max(place, 0));
  workgroupBarrier();
  let word = number * ${LANES / 4}u + lane;
  if (lane < ${LANES / 4}u && 4u * word < p.invocations) {
    let first = 4u * lane;
    set_index(word, dot(vec4<u32>(places[first], places[first + 1u], places[first + 2u], places[first + 3u]), BYTES));
  }`,
    invocations: y!.length,
    workgroupSize: LANES,
    together: "workgroup",
  });
  return true;
}
