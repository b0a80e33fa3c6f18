/**
 * How the page looks, in light and in dark, on wide screens and on narrow ones.
 *
 * @module
 */

import { FONT } from "./charts.ts";
import { declarations } from "./colours.ts";

/** Up to these widths of the window the drawings for middle and for narrow ones are shown. */
const UP_TO = { middle: 1000, narrow: 680 } as const;

/** The style sheet. */
export const STYLE: string = `
:root { color-scheme: light dark; ${declarations("light")} }
@media (prefers-color-scheme: dark) { :root { ${declarations("dark")} } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink); font: 15px/1.5 ${FONT}; -webkit-text-size-adjust: 100%; }
main, header, footer { max-width: 1168px; margin: 0 auto; padding: 0 24px; }
header { padding-top: 40px; padding-bottom: 8px; }
h1 { margin: 0; font-size: 27px; line-height: 1.2; font-weight: 650; letter-spacing: -0.015em; overflow-wrap: anywhere; }
h1 span { color: var(--soft); font-weight: 400; }
h2 { margin: 0; font-size: 16px; font-weight: 620; letter-spacing: -0.005em; }
h3 { margin: 20px 0 12px; font-size: 14px; font-weight: 600; }
p { margin: 2px 0 0; color: var(--soft); font-size: 13.5px; }
header p { font-size: 14px; }
.state { color: var(--ink); }
.state::before { content: ""; display: inline-block; width: 9px; height: 9px; margin-right: 7px; border-radius: 50%; }
.running::before { background: var(--train); }
.done::before { background: var(--right); }
.stopped::before { background: var(--test); }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); gap: 1px; margin: 24px 0; padding: 0;
  background: var(--surface); border: 1px solid var(--line); border-radius: 12px; overflow: hidden; }
.tiles div { padding: 14px 18px; box-shadow: 0 0 0 1px var(--line); }
.tiles dt { color: var(--soft); font-size: 13px; }
.tiles dd { margin: 0; font-size: 23px; font-weight: 600; letter-spacing: -0.01em; font-variant-numeric: tabular-nums; }
.tiles small { display: block; min-height: 1.4em; color: var(--soft); font-size: 12.5px; font-weight: 400;
  letter-spacing: 0; }
.cards { display: grid; grid-template-columns: 1fr 1fr; gap: 24px; margin-bottom: 24px; }
section { min-width: 0; padding: 18px 20px 20px; background: var(--surface);
  border: 1px solid var(--line); border-radius: 12px; }
section.all { grid-column: 1 / -1; }
figure { margin: 14px 0 0; }
figure svg { display: block; max-width: 100%; height: auto; }
.chart svg { width: 100%; }
.narrow, .middle { display: none; }
.kernels img { display: block; max-width: 100%; height: auto; image-rendering: pixelated; }
.settings { margin: 12px 0 0; font-size: 13.5px; columns: 3 260px; column-gap: 40px; column-rule: 1px solid var(--grid); }
.settings div { display: flex; justify-content: space-between; gap: 16px; padding: 4px 0; break-inside: avoid; }
.settings dt { color: var(--soft); flex: none; }
.settings dd { margin: 0; text-align: right; overflow-wrap: anywhere; font-variant-numeric: tabular-nums; }
footer { padding-bottom: 40px; color: var(--soft); font-size: 12.5px; }
@media (max-width: ${UP_TO.middle}px) {
  .tiles { grid-template-columns: 1fr 1fr 1fr; }
  .cards { gap: 16px; margin-bottom: 16px; }
  .wide { display: none; }
  .middle { display: block; }
}
@media (max-width: ${UP_TO.narrow}px) {
  main, header, footer { padding-left: 16px; padding-right: 16px; }
  header { padding-top: 24px; }
  h1 { font-size: 23px; }
  .tiles { grid-template-columns: 1fr 1fr; margin: 16px 0; }
  .tiles div { padding: 10px 14px; }
  .tiles dd { font-size: 20px; }
  .cards { grid-template-columns: minmax(0, 1fr); gap: 14px; margin-bottom: 14px; }
  section { padding: 14px 14px 16px; }
  .middle:not(.narrow) { display: none; }
  .narrow { display: block; }
  .narrow svg { width: 100%; }
}
`.trim();
