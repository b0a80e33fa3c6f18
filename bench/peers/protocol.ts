/**
 * What the driver and its children say to each other: JSON, one command a line in, one answer a line out.
 *
 * @module
 */

import type { Digest } from "./numbers.ts";
import type { Workload } from "./workloads.ts";

/** What a child is asked. */
export type Command =
  /** Make the operands and run once. */
  | { readonly prepare: Workload }
  /** Run so many times, and wait for the device once, at the end. */
  | { readonly run: number }
  /** Sum up what the last run computed. */
  | { readonly result: true }
  | { readonly stats: true };

/** What it answers; `error` instead of anything else when it cannot. */
export interface Answers {
  readonly prepare: {
    readonly ready: true;
    readonly firstMs: number;
    readonly device: string;
  };
  /** Milliseconds a run. */
  readonly run: { readonly ms: number };
  readonly result: { readonly digests: readonly Digest[] };
  /** Bytes; null where the system does not tell. */
  readonly stats: { readonly peakRss: number | null };
}

/** Something that went wrong, on the device too: libraries do not always notice. */
export interface Failure {
  readonly error: string;
  /** It was not tried: the library cannot do it on this device. */
  readonly cannot?: boolean;
}
