/**
 * Draws a run from its JSON lines: the loss of every step, and the test accuracy of every evaluation.
 *
 *     deno run -P train.ts --json | deno run -A scripts/draw_run.ts docs/run.svg
 *
 * @module
 */

import { writeFile } from "node:fs/promises";
import process from "node:process";
import { text } from "node:stream/consumers";
import type { TrainEvent } from "../train/events.ts";

const target = process.argv[2];
if (target === undefined) throw new TypeError("draw_run: expects the file to write");
const events = (await text(process.stdin)).trim().split("\n").map((line) => JSON.parse(line) as TrainEvent);
const start = events.find((event) => event.event === "start")!;
const done = events.find((event) => event.event === "done")!;
const steps = events.filter((event) => event.event === "step");
const evaluations = events.filter((event) => event.event === "eval");

const [width, height, left, top, right, bottom] = [860, 380, 60, 54, 60, 44];
const last = steps.at(-1)!.step;
const highest = Math.max(...steps.map(({ loss }) => loss));
const x = (step: number) => left + step / last * (width - left - right);
const fromTop = (share: number) => top + (1 - share) * (height - top - bottom);
const points = (list: readonly (readonly [number, number])[]) =>
  list.map(([at, y]) => `${at.toFixed(1)},${y.toFixed(1)}`).join(" ");

// The mean of the last 20 losses, over the bare ones.
const smooth = steps.map(({ step }, i) => {
  const recent = steps.slice(Math.max(0, i - 19), i + 1);
  return [
    x(step),
    fromTop(recent.reduce((sum, { loss }) => sum + loss, 0) / recent.length / highest),
  ] as const;
});
const bare = steps.map(({ step, loss }) => [x(step), fromTop(loss / highest)] as const);
const accuracy = evaluations.map(({ step, accuracy }) => [x(step), fromTop(accuracy)] as const);
const label = (at: number, y: number, words: string, extra = "") =>
  `<text x="${at}" y="${y}" ${extra}>${words}</text>`;
const levels = [0, 0.25, 0.5, 0.75, 1];

const title = `${start.model} on ${start.dataset}: ${start.trainImages.toLocaleString("en")} images, ` +
  `batch ${start.batch}, ${start.epochs} epochs, ${Math.round(done.seconds)} s on ${
    start.device.split(" (")[0]
  }`;
const svg =
  `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="system-ui, sans-serif"
  font-size="13" fill="#444">
<rect width="${width}" height="${height}" fill="#fff"/>
${label(left, 24, title, 'font-size="14" fill="#111"')}
${
    levels.map((level) => {
      const y = fromTop(level);
      return `<line x1="${left}" x2="${width - right}" y1="${y}" y2="${y}" stroke="#ddd"/>` +
        label(left - 8, y + 4, (level * highest).toFixed(1), 'text-anchor="end" fill="#1f77b4"') +
        label(width - right + 8, y + 4, `${level * 100}%`, 'fill="#d62728"');
    }).join("\n")
  }
<polyline points="${points(bare)}" fill="none" stroke="#1f77b4" stroke-opacity="0.25"/>
<polyline points="${points(smooth)}" fill="none" stroke="#1f77b4" stroke-width="2"/>
<polyline points="${points(accuracy)}" fill="none" stroke="#d62728" stroke-width="2"/>
${
    evaluations.map(({ step, accuracy }) =>
      `<circle cx="${x(step)}" cy="${fromTop(accuracy)}" r="4" fill="#d62728"/>` +
      label(
        x(step),
        fromTop(accuracy) - 10,
        `${(100 * accuracy).toFixed(1)}%`,
        'text-anchor="middle" fill="#d62728"',
      )
    ).join("\n")
  }
${label(left, height - 14, "training loss, each step and the mean of 20", 'fill="#1f77b4"')}
${label(width - right, height - 14, "test accuracy", 'text-anchor="end" fill="#d62728"')}
${label((left + width) / 2, height - 14, `${last} steps`, 'text-anchor="middle"')}
</svg>
`;
await writeFile(target, svg);
