/**
 * The scalars of a run for TensorBoard, written as they come.
 *
 * @module
 */

import { DataError } from "../../data/mod.ts";
import { failed } from "../../data/files.ts";
import type { Reporter, TrainEvent } from "../events.ts";
import { frame } from "./records.ts";
import { type BoardEvent, encodeEvent } from "./schema.ts";

/** What TensorBoard calls the curves; a slash makes a group. */
type Scalars = Readonly<Record<string, number>>;

function scalarsOf(event: TrainEvent): { readonly step: number; readonly scalars: Scalars } | null {
  if (event.event === "step") {
    const { step, loss, accuracy, lr, imagesPerSecond, lossScale } = event;
    const scale = lossScale === undefined ? {} : { "schedule/loss_scale": lossScale };
    return {
      step,
      scalars: {
        "loss/train": loss,
        "error/train": 1 - accuracy,
        "accuracy/train": accuracy,
        "schedule/lr": lr,
        ...scale,
        "speed/images_per_second": imagesPerSecond,
      },
    };
  }
  if (event.event !== "eval") return null;
  const { step, loss, accuracy, top5Error } = event;
  const five = top5Error === undefined ? {} : { "error/test_top5": top5Error };
  return {
    step,
    scalars: { "loss/test": loss, "error/test": 1 - accuracy, "accuracy/test": accuracy, ...five },
  };
}

/** An event file of one run. TensorBoard joins the files of a folder, so a run that goes on has a file more. */
export class EventFile {
  readonly #path: string;
  readonly #descriptor: number;
  readonly #fs: typeof import("node:fs");

  private constructor(path: string, descriptor: number, fs: typeof import("node:fs")) {
    this.#path = path;
    this.#descriptor = descriptor;
    this.#fs = fs;
  }

  /**
   * Begins a file in a folder, which is made where it is not there.
   *
   * @throws {DataError} when it cannot be written; in Deno also an error that says which permission is missing.
   */
  static async open(folder: string): Promise<EventFile> {
    const fs = await import("node:fs");
    const { pid } = await import("node:process");
    // The form of the name that TensorBoard looks for: time, machine, process.
    const name = `events.out.tfevents.${Math.floor(Date.now() / 1000)}.fermi.${pid}`;
    const path = `${folder.replace(/[\\/]+$/, "")}/${name}`;
    try {
      fs.mkdirSync(folder, { recursive: true });
      const file = new EventFile(path, fs.openSync(path, "a"), fs);
      file.#write({ file_version: "brain.Event:2" });
      return file;
    } catch (error) {
      if (error instanceof DataError) throw error;
      throw failed(path, "written", error);
    }
  }

  /** Writes the scalars of an event. */
  readonly report: Reporter = (event) => {
    if (event.event === "start") {
      // What a run that was killed wrote of these steps is about to come again, maybe with other numbers.
      this.#write({ step: (event.resumedAt ?? 0) + 1, session_log: { status: 1 } });
    }
    const found = scalarsOf(event);
    if (found === null) return;
    const { step, scalars } = found;
    const value = Object.entries(scalars).map(([tag, simple_value]) => ({ tag, simple_value }));
    this.#write({ step, summary: { value } });
  };

  /** At once, so that nothing is lost when the process is killed, and TensorBoard sees the run as it goes. */
  #write(event: Omit<BoardEvent, "wall_time">): void {
    const record = frame(encodeEvent({ wall_time: Date.now() / 1000, ...event }));
    try {
      for (let done = 0; done < record.length;) done += this.#fs.writeSync(this.#descriptor, record, done);
    } catch (error) {
      throw failed(this.#path, "written", error);
    }
  }

  /** Closes the file. */
  close(): void {
    this.#fs.closeSync(this.#descriptor);
  }
}
