/**
 * From what is known of a run to its drawings: the cards of the page, and the files beside it.
 *
 * @module
 */

import type { Dataset } from "../../data/mod.ts";
import { drawChart } from "./charts.ts";
import { light, standalone } from "./colours.ts";
import { drawConfusion } from "./confusion_chart.ts";
import { curvesOf } from "./curves.ts";
import { drawGuesses, drawLikenesses, type GuessTile, type LikenessTile, type Tile } from "./figures.ts";
import type { Course } from "./course.ts";
import { base64, type Images } from "./images.ts";
import { drawKernels } from "./kernels.ts";
import type { Guess, Likeness, Look, Shown } from "./look.ts";
import type { Card, Figure } from "./page.ts";
import { grouped, namesOf } from "./words.ts";

/** Inner widths of the cards, in pixels. */
const WIDTH = { narrow: 330, middle: 640, half: 506, all: 1078 } as const;

/** A file. */
export interface Drawn {
  readonly name: string;
  readonly content: string | Uint8Array;
}

/** All drawings that there may be, by the names of their files. */
export const DRAWINGS: readonly string[] = [
  ..."loss error rate throughput guesses mistakes confusion neighbours".split(" ").flatMap((name) => [
    `${name}.svg`,
    `${name}.png`,
  ]),
  "kernels.png",
];

/** What is drawn. */
export interface Drawings {
  readonly cards: Card[];
  readonly files: Drawn[];
}

/** What is known of the images. */
export type ImageFacts = Pick<Dataset, "shape" | "classes" | "classNames">;

/** Draws what there is. */
export async function drawAll(
  course: Course,
  look: Look | null,
  dataset: ImageFacts,
  images: Images,
): Promise<Drawings> {
  const maker = new Maker(images);
  for (const { name, title, about, option } of curvesOf(course)) {
    const draw = (width: number) => drawChart(option, { width, height: width < 400 ? 220 : 260 }, title);
    await maker.card({ title, about, width: "half" }, [{ name, kind: "chart", draw }]);
  }
  if (look) await drawLook(maker, look, dataset, images);
  return maker;
}

interface Part {
  /** Of its files. */
  readonly name: string;
  readonly kind: "chart" | "drawing";
  readonly heading?: string;
  readonly draw: (width: number) => string;
}

class Maker implements Drawings {
  readonly cards: Card[] = [];
  readonly files: Drawn[] = [];
  readonly #images: Images;

  constructor(images: Images) {
    this.#images = images;
  }

  /** Draws for wide and for narrower screens, and writes the wide ones to files. */
  async card(about: Omit<Card, "figures">, parts: readonly Part[]): Promise<void> {
    const figures = [];
    for (const { name, draw, kind, heading } of parts) {
      const figure: Figure = {
        wide: draw(WIDTH[about.width]),
        ...about.width === "all" ? { middle: draw(WIDTH.middle) } : {},
        narrow: draw(WIDTH.narrow),
      };
      figures.push({ ...figure, kind, ...heading === undefined ? {} : { heading } });
      this.files.push({ name: `${name}.svg`, content: standalone(figure.wide) });
      const png = await this.#images.rasterise(figure.wide, light.surface);
      this.files.push({ name: `${name}.png`, content: png });
    }
    this.cards.push({ ...about, figures });
  }
}

async function drawLook(maker: Maker, look: Look, dataset: ImageFacts, images: Images): Promise<void> {
  const names = namesOf(dataset.classes, dataset.classNames);
  if (look.kernels) {
    const { weights, shape, towers } = look.kernels;
    const png = await images.png(drawKernels(weights, shape, towers));
    maker.files.push({ name: "kernels.png", content: png });
    const [out, channels, height, width] = shape;
    const about = `${out} kernels of ${height}x${width}${channels === 1 ? "" : `x${channels}`}${
      towers === 2 ? ": the first tower's above, the second's below" : ""
    }. Middle grey is zero, each is scaled by its largest weight`;
    const picture = `data:image/png;base64,${base64(png)}`;
    await maker.card({ title: "Kernels of the first layer", about, width: "all", picture }, []);
  }
  const tiles = new Tiles(dataset, names, images);
  const guesses: Part[] = [];
  for (
    const [name, heading, list] of [
      ["guesses", "Some of the test images", look.samples],
      ["mistakes", "The most certain mistakes", look.mistakes],
    ] as const
  ) {
    if (list.length === 0) continue;
    const made = await Promise.all(list.map((each) => tiles.guess(each)));
    guesses.push({ name, heading, kind: "drawing", draw: (width) => drawGuesses(made, width) });
  }
  const shares =
    "Each image's class, and the five labels that the network finds most probable; the right one in green";
  await maker.card({ title: "What it takes test images for", about: shares, width: "all" }, guesses);
  if (look.confusion) {
    const counts = look.confusion;
    const about = `Rows: what ${grouped(look.tested)} test images are. Columns: what they were taken for`;
    await maker.card({ title: "Confusion matrix", about, width: "half" }, [
      { name: "confusion", kind: "chart", draw: (width) => drawConfusion(counts, names, width) },
    ]);
  }
  const alike = await Promise.all(look.likenesses.map((each) => tiles.likeness(each)));
  const features = `Left a test image; right, of ${grouped(look.compared)} training images, the six whose ` +
    `${grouped(look.features)} numbers before the last layer are closest`;
  await maker.card(
    { title: "What it finds alike", about: features, width: look.confusion ? "half" : "all" },
    [
      { name: "neighbours", kind: "drawing", draw: (width) => drawLikenesses(alike, width) },
    ],
  );
}

/** Images as the figures take them. */
class Tiles {
  readonly #dataset: ImageFacts;
  readonly #names: readonly string[];
  readonly #images: Images;

  constructor(dataset: ImageFacts, names: readonly string[], images: Images) {
    this.#dataset = dataset;
    this.#names = names;
    this.#images = images;
  }

  async guess({ image, label, top }: Guess): Promise<GuessTile> {
    return {
      ...await this.#tile({ image, label }),
      top: top.map(({ label: guess, probability }) => ({
        name: this.#names[guess]!,
        probability,
        right: guess === label,
      })),
    };
  }

  async likeness({ image, label, nearest }: Likeness): Promise<LikenessTile> {
    return {
      ...await this.#tile({ image, label }),
      nearest: await Promise.all(nearest.map(async ({ distance, ...shown }) => ({
        ...await this.#tile(shown),
        distance,
        right: shown.label === label,
      }))),
    };
  }

  async #tile({ image, label }: Shown): Promise<Tile> {
    return { url: await this.#images.dataUrl(image, this.#dataset.shape), name: this.#names[label]! };
  }
}
