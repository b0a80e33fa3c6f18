/**
 * The memory of a plan over its dispatches, as an SVG that follows the page's light and dark: every array where it lies
 * and as long as it lives, the buffers of the workspace one above the other, and what lives in all as a line.
 *
 * @module
 */

import type { ValueDescription } from "../backends/planner.ts";
import { megabytes, type StepPlan } from "./plan_table.ts";
import { type Box, escape, linearScale, roundValues, type Scale } from "./svg.ts";

const SIZE = { width: 1100, height: 650 } as const;
const FRAME = { left: 70, right: 1080, top: 100, bottom: 560 } as const;
/** What a letter takes, and a line: a name is written where it fits. */
const LETTER = 6.2;
const LINE = 12;

/** The kinds of arrays, by the class that colours them. */
const KINDS = {
  activation: "activations",
  gradient: "gradients",
  scratch: "packed operands, partial sums",
} as const;

function kindOf({ scratch, name }: ValueDescription): keyof typeof KINDS {
  return scratch ? "scratch" : name.includes("'") ? "gradient" : "activation";
}

/** Draws the plan. */
export function drawPlan(plan: StepPlan): string {
  const { model, batch, device, dispatches, values, slots, peak, memory } = plan;
  const bases = slots.map((_, slot) => slots.slice(0, slot).reduce((sum, bytes) => sum + bytes, 0));
  const high = Math.max(1, memory.workspace);
  const x = linearScale([0, Math.max(1, dispatches.length)], [FRAME.left, FRAME.right]);
  const y = linearScale([0, high], [FRAME.bottom, FRAME.top]);
  const boxes = values.map((value): PlacedValue => ({
    value,
    left: x(value.first),
    right: x(value.last + 1),
    top: y(bases[value.slot]! + value.offset + value.bytes),
    bottom: y(bases[value.slot]! + value.offset),
  }));
  const title = `${model}, a training step of ${batch} images: ${
    megabytes(peak.bytes)
  } live at most, in a workspace of ${megabytes(memory.workspace)}`;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${SIZE.width} ${SIZE.height}" role="img" aria-label="${
      escape(title)
    }">`,
    `<style>${STYLE}</style>`,
    `<rect class="page" width="${SIZE.width}" height="${SIZE.height}"/>`,
    `<text class="title" x="${FRAME.left}" y="26">${escape(title)}</text>`,
    `<text class="soft" x="${FRAME.left}" y="46">${
      escape(
        `planned for ${device}; with parameters, momentum and the batch ${
          megabytes(memory.total)
        } of device memory`,
      )
    }</text>`,
    legend(),
    ...roundValues(high).map((bytes) => level(y(bytes), (bytes / 1e6).toLocaleString("en-US"))),
    ...boxes.map(drawBox),
    ...bases.map((base) => `<path class="slot" d="M${FRAME.left} ${at(y(base))}H${FRAME.right}"/>`),
    liveLine(plan, x, y),
    ...boxes.map(drawName),
    ...layerNames(plan, x),
    `<text class="soft" x="${FRAME.left - 8}" y="${FRAME.top - 12}" text-anchor="end">MB</text>`,
    `<text class="soft" x="${(FRAME.left + FRAME.right) / 2}" y="${SIZE.height - 10}" text-anchor="middle">` +
    `dispatches, 0 to ${dispatches.length - 1}, in the order of execution</text>`,
    "</svg>\n",
  ].join("\n");
}

const at = (place: number) => place.toFixed(1);

function legend(): string {
  let left = FRAME.left;
  const entries = Object.entries(KINDS).map(([kind, name]) => {
    const entry = `<rect class="${kind} key" x="${left}" y="60" width="12" height="12"/>` +
      `<text class="soft" x="${left + 17}" y="70">${name}</text>`;
    left += 34 + name.length * LETTER;
    return entry;
  });
  const line = `<path class="live" d="M${left} 66h18"/><text class="soft" x="${
    left + 23
  }" y="70">all that lives</text>`;
  return entries.join("") + line;
}

function level(y: number, text: string): string {
  return `<path class="grid" d="M${FRAME.left} ${at(y)}H${FRAME.right}"/>` +
    `<text class="soft" x="${FRAME.left - 8}" y="${at(y + 4)}" text-anchor="end">${text}</text>`;
}

/** An array and where it is drawn. */
interface PlacedValue extends Box {
  readonly value: ValueDescription;
}

function drawBox({ value, left, right, top, bottom }: PlacedValue): string {
  const { name, bytes, first, last } = value;
  const about = `${name}: ${megabytes(bytes)}, dispatches ${first} to ${last}`;
  const size = `width="${at(right - left)}" height="${at(Math.max(0.2, bottom - top))}"`;
  return `<rect class="${kindOf(value)} value" x="${at(left)}" y="${at(top)}" ${size}><title>${
    escape(about)
  }</title></rect>`;
}

/** The name, along the box or up it, where one of them has room. */
function drawName({ value: { name }, left, right, top, bottom }: PlacedValue): string {
  const [x, y, length] = [(left + right) / 2, (top + bottom) / 2, name.length * LETTER + 6];
  const turn = right - left > length && bottom - top > LINE
    ? ""
    : bottom - top > length && right - left > LINE
    ? " rotate(-90)"
    : null;
  if (turn === null) return "";
  return `<text class="name" transform="translate(${at(x)} ${at(y)})${turn}" dy="4">${escape(name)}</text>`;
}

/** What lives in all, in steps, and where it is most. */
function liveLine({ dispatches, peak }: StepPlan, x: Scale, y: Scale): string {
  const steps = dispatches.map(({ bytesLive }, i) =>
    `${i === 0 ? "M" : "L"}${at(x(i))} ${at(y(bytesLive))}H${at(x(i + 1))}`
  );
  const [left, top] = [x(peak.dispatch + 0.5), y(peak.bytes)];
  const anchor = left > (FRAME.left + FRAME.right) / 2 ? "end" : "start";
  return `<path class="live" d="${steps.join("")}"/>` +
    `<circle class="peak" cx="${at(left)}" cy="${at(top)}" r="4.5"/>` +
    `<text class="peakname" x="${at(anchor === "end" ? left - 9 : left + 9)}" y="${
      at(top - 7)
    }" text-anchor="${anchor}">peak ${megabytes(peak.bytes)}</text>`;
}

/** Under the axis the layers, each where its dispatches begin and there is room for its name. */
function layerNames({ dispatches }: StepPlan, x: Scale): string[] {
  let [before, free] = ["", -Infinity];
  return dispatches.flatMap(({ layer }, i) => {
    const [name = ""] = layer.split(" ");
    const place = x(i + 0.5);
    // An update, `conv1.weight`, follows its gradient.
    if (name === before || name === "" || name.includes(".") || place < free) return [];
    [before, free] = [name, place + LINE];
    return [
      `<path class="grid" d="M${at(place)} ${FRAME.bottom}v6"/>` +
      `<text class="soft" text-anchor="end" transform="translate(${at(place + 4)} ${
        FRAME.bottom + 14
      }) rotate(-55)">${escape(name)}</text>`,
    ];
  });
}

const STYLE = `
svg { font: 11px system-ui, sans-serif; --page: #fff; --ink: #1d2430; --soft: #667080; --grid: #e3e7ee; --line: #c2185b;
  --activation: #9ec5f0; --gradient: #f5c58b; --scratch: #cfd4dc; --edge: #fff; --halo: #ffffff99; }
@media (prefers-color-scheme: dark) { svg { --page: #12161d; --ink: #e7ebf1; --soft: #98a3b3; --grid: #2a313c;
  --line: #ff6f9f; --activation: #2f5f96; --gradient: #96631f; --scratch: #4a5260; --edge: #12161d; --halo: #12161d99; } }
.page { fill: var(--page); }
text { fill: var(--ink); }
.title { font-size: 15px; font-weight: 600; }
.soft { fill: var(--soft); }
.name { text-anchor: middle; paint-order: stroke; stroke: var(--halo); stroke-width: 3px; stroke-linejoin: round; }
.grid { stroke: var(--grid); }
.slot { stroke: var(--soft); stroke-dasharray: 1 4; }
.value { stroke: var(--edge); stroke-width: 0.6; }
.activation { fill: var(--activation); }
.gradient { fill: var(--gradient); }
.scratch { fill: var(--scratch); }
.live { stroke: var(--line); stroke-width: 1.6; fill: none; }
.peak { fill: var(--line); }
.peakname { fill: var(--line); font-weight: 600; font-size: 12px; }`;
