/**
 * Whether an adapter is a GPU or a processor's few cores (software drivers): what makes one fast slows the other, so
 * kernels ask how their work is to be cut. Lanes of a GPU read together, and want neighbours to have neighbouring
 * addresses; a core works through its lanes one after the other, and wants a lane to use again what it has loaded.
 *
 * @module
 */

/** Above this parallelism the adapter is a GPU. */
const MANY_LANES = 4096;

/** Whether so much parallelism is a processor's. */
export function onCores(parallelism: number): boolean {
  return parallelism <= MANY_LANES;
}
