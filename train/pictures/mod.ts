/**
 * Pictures of a run: a page that is written after each evaluation and at the end, and its drawings as files.
 *
 * @module
 */

import { rm } from "node:fs/promises";
import { join } from "node:path";
import { writeWhole } from "../../data/whole_files.ts";
import { isHurried, type Reporter, type Subject, type TrainEvent } from "../events.ts";
import { drawAll, DRAWINGS } from "./drawings.ts";
import { openFolder } from "./folder.ts";
import { Course } from "./course.ts";
import { Images, loadSharp } from "./images.ts";
import { type Look, Observer } from "./look.ts";
import { makePage, type State } from "./page.ts";

/** What the pictures take. */
export interface PicturesOptions {
  /** Where the page goes, as `index.html`. */
  readonly folder: string;
  /** What happened before, in a run that goes on: its curves begin there. */
  readonly earlier?: Iterable<TrainEvent>;
}

const PAGE = "index.html";

/** Looking and drawing take no more than this share of the time, the first and the last time left out. */
const SHARE = 0.1;

/** Draws a run while it is under way. */
export class Pictures {
  readonly #folder: string;
  readonly #images: Images;
  readonly #course = new Course();
  #subject: Subject | null = null;
  #observer: Observer | null = null;
  #look: Look | null = null;
  /** When the last page was there, and how long it took. */
  #written = { at: -Infinity, took: 0 };
  #closed = false;

  private constructor(folder: string, images: Images) {
    this.#folder = folder;
    this.#images = images;
  }

  /**
   * Sees to it that pictures can be drawn and written, before anything is computed.
   *
   * @throws {DataError} when they cannot.
   */
  static async open({ folder, earlier = [] }: PicturesOptions): Promise<Pictures> {
    await openFolder(folder);
    const pictures = new Pictures(folder, new Images(await loadSharp()));
    for (const event of earlier) pictures.#course.add(event);
    return pictures;
  }

  /** Watches a run, for `runJob`. */
  readonly watch = (subject: Subject): Reporter => {
    this.#subject = subject;
    return (event) => this.#report(event);
  };

  #report(event: TrainEvent): Promise<void> | void {
    this.#course.add(event);
    if (event.event === "start") this.#observer = new Observer(this.#subject!, event.batch);
    if (event.event === "eval" && this.#due()) return this.#write("running");
    if (event.event === "done") return this.#end(event.interrupted ? "stopped" : "done");
  }

  /** Whether the last page is so old that the next one costs little. */
  #due(): boolean {
    return performance.now() - this.#written.at >= this.#written.took * (1 / SHARE - 1);
  }

  async #write(state: State): Promise<void> {
    const began = performance.now();
    await this.#lookAgain();
    await this.#draw(state);
    this.#written = { at: performance.now(), took: performance.now() - began };
  }

  /** Looks at the network, right after an evaluation; not for someone who does not wait. */
  async #lookAgain(): Promise<void> {
    const step = this.#course.evaluations.at(-1)?.step;
    if (!this.#observer || !step || this.#look?.step === step) return;
    this.#look = await this.#observer.look(step, () => isHurried(this.#subject!.signal)) ?? this.#look;
  }

  async #draw(state: State): Promise<void> {
    const { cards, files } = await drawAll(this.#course, this.#look, this.#subject!.dataset, this.#images);
    for (const { name, content } of files) await writeWhole(join(this.#folder, name), content);
    // Those of another run are none of this page's.
    const names = new Set(files.map(({ name }) => name));
    for (const name of DRAWINGS) {
      if (!names.has(name)) await rm(join(this.#folder, name), { force: true });
    }
    await writeWhole(join(this.#folder, PAGE), makePage(this.#course, state, cards, this.#look?.step));
  }

  async #end(state: State): Promise<void> {
    await this.#write(state);
    await this.close();
  }

  /** Gives the memory back; where the run ended with an error, the page tells of what there was. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#observer?.dispose();
    if (this.#subject && this.#course.done === null) await this.#draw("stopped");
  }
}
