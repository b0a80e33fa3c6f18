/**
 * The page: one file that asks for nothing, with the drawings in it.
 *
 * @module
 */

import { escape } from "../../debug/svg.ts";
import { withVariables } from "./colours.ts";
import type { Course, Stretch } from "./course.ts";
import { STYLE } from "./style.ts";
import { duration, grouped, percent } from "./words.ts";

/** A drawing for wide screens, and the same for narrower ones; where there is none for those in between, they get the narrow one. */
export interface Figure {
  readonly wide: string;
  readonly middle?: string;
  readonly narrow: string;
}

/** A part of the page. */
export interface Card {
  readonly title: string;
  /** A sentence under the title. */
  readonly about: string;
  /** Of the page. */
  readonly width: "half" | "all";
  /** Drawings one under the other, each with a heading or none. */
  readonly figures: readonly (Figure & { readonly heading?: string; readonly kind: "chart" | "drawing" })[];
  /** A picture as a data URL. */
  readonly picture?: string;
}

/** Seconds after which a page of a run under way looks for a newer one. */
const REFRESH = 30;

/** How the run stands. */
export type State = "running" | "done" | "stopped";

/**
 * Writes the page.
 *
 * @param looked after how many steps the network was looked at, where there are pictures of it
 */
export function makePage(course: Course, state: State, cards: readonly Card[], looked?: number): string {
  const { start } = course;
  const title = start === null ? "A run" : `${start.model} on ${start.dataset}`;
  const refresh = state === "running" ? `<meta http-equiv="refresh" content="${REFRESH}">\n` : "";
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
${refresh}<link rel="icon" href="data:,">
<title>${escape(title)}</title>
<style>
${STYLE}
</style>
</head>
<body>
${header(course, state, looked)}
<main>
${tiles(course)}
<div class="cards">
${cards.map(drawCard).join("\n")}
${settings(course)}
</div>
</main>
<footer>Written by Fermi. Every number comes from the run itself; the drawings are in the same folder as SVG and PNG.</footer>
</body>
</html>
`;
}

function header({ start, done, steps, stretches }: Course, state: State, looked?: number): string {
  if (start === null) return "<header><h1>A run</h1></header>";
  const epoch = Math.max(1, Math.ceil((stretches.at(-1)?.last ?? 1) / start.stepsPerEpoch));
  const made = `${grouped(steps)} of ${grouped(start.steps)} steps`;
  const words = {
    running: `under way: epoch ${epoch} of ${start.epochs}, ${made}`,
    // Of the part before a resumption nobody knows how long it took.
    done: `done: ${grouped(steps)} steps${
      start.resumedAt ? `, the last ${grouped(steps - start.resumedAt)}` : ""
    } in ${duration(done?.seconds ?? 0)}`,
    stopped: `stopped after ${made}`,
  }[state];
  return `<header>
<h1>${escape(start.model)} <span>on ${escape(start.dataset)}</span></h1>
<p><span class="state ${state}">${words}</span></p>
<p>${escape(start.backend)}, ${escape(start.device)}</p>${
    looked === undefined ? "" : `\n<p>pictures of the network after ${grouped(looked)} steps</p>`
  }
</header>`;
}

function tiles({ stretches, evaluations }: Course): string {
  const [last, evaluation] = [stretches.at(-1), evaluations.at(-1)];
  if (last === undefined) return "";
  const best = evaluations.reduce((least, { accuracy }) => Math.min(least, 1 - accuracy), Infinity);
  const recent = stretches.slice(-Math.max(1, Math.floor(stretches.length / 40)));
  const mean = (value: (stretch: Stretch) => number) =>
    recent.reduce((sum, each) => sum + value(each), 0) / recent.length;
  const crops = evaluation?.crops === 10 ? " (ten crops)" : "";
  const rows: [string, string, string][] = evaluation === undefined ? [] : [
    [`Test error${crops}`, percent(1 - evaluation.accuracy), `${percent(best)} at best`],
    ["Test loss", evaluation.loss.toFixed(3), `${grouped(evaluation.images)} images`],
  ];
  if (evaluation?.top5Error !== undefined) {
    rows.splice(1, 0, [`Test error, top five${crops}`, percent(evaluation.top5Error), "not among five"]);
  }
  rows.push(
    ["Training error", percent(mean(({ accuracy }) => 1 - accuracy)), "of the last batches"],
    ["Training loss", mean(({ loss }) => loss).toFixed(3), "of the last batches"],
    ["Images a second", grouped(Math.round(last.imagesPerSecond)), "training"],
  );
  const cells = rows.map(([name, value, more]) =>
    `<div><dt>${name}</dt><dd>${value}<small>${more}</small></dd></div>`
  );
  return `<dl class="tiles">${cells.join("")}</dl>`;
}

function drawCard({ title, about, width, figures, picture }: Card): string {
  const drawings = figures.map(({ heading, kind, wide, middle, narrow }) => {
    const variants = [["wide", wide], ...middle === undefined ? [] : [["middle", middle]]];
    variants.push([middle === undefined ? "middle narrow" : "narrow", narrow]);
    const all = variants.map(([where, svg]) => `<div class="${where}">${withVariables(svg!)}</div>`);
    return `${heading === undefined ? "" : `<h3>${escape(heading)}</h3>`}<figure class="${kind}">${
      all.join("")
    }</figure>`;
  });
  const image = picture === undefined
    ? ""
    : `<figure class="kernels"><img src="${picture}" alt="${escape(title)}"></figure>`;
  return `<section class="${width}"><h2>${escape(title)}</h2><p>${escape(about)}</p>${image}${
    drawings.join("\n")
  }</section>`;
}

/** All that the run was started with: whatever is added to it later is there too. */
function settings({ start }: Course): string {
  if (start === null) return "";
  const { event: _, seed, ...rest } = start;
  // A seed is typed, not counted.
  const rows = [...Object.entries(rest).map(([name, value]) => [spaced(name), shown(value)]), [
    "seed",
    `${seed}`,
  ]];
  const cells = rows.map(([name, value]) => `<div><dt>${escape(name!)}</dt><dd>${escape(value!)}</dd></div>`);
  return `<section class="all"><h2>Configuration</h2><dl class="settings">${cells.join("")}</dl></section>`;
}

/** `weightDecay` as two words. */
function spaced(name: string): string {
  return name.replace(/([a-z])([A-Z])/g, (_, a: string, b: string) => `${a} ${b.toLowerCase()}`);
}

function shown(value: unknown): string {
  if (typeof value === "number") return Number.isInteger(value) ? grouped(value) : String(value);
  if (typeof value !== "object" || value === null) return String(value);
  return Object.entries(value).map(([name, each]) => `${spaced(name)} ${shown(each)}`).join(", ") || "none";
}
