/**
 * What a run leaves behind besides what it says: pictures, and curves for TensorBoard. What draws and writes is loaded only
 * when it is asked for.
 *
 * @module
 */

import type { Reporter, Subject, TrainEvent } from "./events.ts";

/** What is wanted, and where it goes. */
export interface RecordSettings {
  /** Folder of the page and its pictures. */
  readonly report?: string;
  /** Folder of TensorBoard's files. */
  readonly tensorboard?: string;
}

/** What writes it. */
export interface Records {
  /** To be told what happens. */
  readonly reporters: readonly Reporter[];
  /** To be shown what is trained. */
  readonly watch?: (subject: Subject) => Reporter;
  /** Finishes the files; also after an error. */
  close(): Promise<void>;
}

/**
 * Sees to it that all can be written, before anything is computed.
 *
 * @param earlier what happened before, in a run that goes on
 * @throws {DataError} when something cannot be written.
 */
export async function openRecords(
  { report, tensorboard }: RecordSettings,
  earlier: Iterable<TrainEvent> = [],
): Promise<Records> {
  const pictures = report === undefined
    ? null
    : await (await import("./pictures/mod.ts")).Pictures.open({ folder: report, earlier });
  const file = tensorboard === undefined
    ? null
    : await (await import("./tensorboard/mod.ts")).EventFile.open(tensorboard);
  return {
    reporters: file ? [file.report] : [],
    ...pictures ? { watch: pictures.watch } : {},
    async close() {
      file?.close();
      await pictures?.close();
    },
  };
}
