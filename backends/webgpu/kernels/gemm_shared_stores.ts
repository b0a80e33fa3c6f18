/**
 * How the lanes of a product that they work on together store their parts of the tile.
 *
 * @module
 */

import type { Layout } from "./gemm_shared_shader.ts";
import { range } from "./shapes.ts";
import type { Sink } from "./types.ts";

/** Where the parts of a lane lie, as WGSL. */
interface Places {
  /** The row of the output that row m of the part is. */
  readonly row: (m: string) => string;
  /** The column that component c of vector t is. */
  readonly column: (t: string, c: number) => string;
  /** The components that are stored one by one; one stands for all four where they are neighbours. */
  readonly components: readonly number[];
}

function placesOf({ variant, a, b, storeWidth }: Layout): Places {
  const [height, width] = variant.tile;
  const [tall, wide] = variant.part;
  const [down, across] = [height / tall, width / wide];
  const quarter = (c: string | number, extent: number) => `${c} * ${extent / 4}u`;
  return {
    row(m) {
      const v = `laneY + (${m} >> 2u) * ${down}u`;
      const place = a.adjacent ? `4u * (${v}) + (${m} & 3u)` : `${v} + ${quarter(`(${m} & 3u)`, height)}`;
      return `rowTile * ${height}u + ${place}`;
    },
    column(t, c) {
      const v = `laneX + ${t} * ${across}u`;
      return `columnTile * ${width}u + ${b.adjacent ? `4u * (${v}) + ${c}u` : `${v} + ${c * width / 4}u`}`;
    },
    components: range(storeWidth === 4 ? 1 : 4),
  };
}

/** Sinks with more text than this have much fused behind them: as often as a part has elements, it would fill the caches. */
const LONG_SINK = 2000;

/** Where the group's product begins, and its sums of rows. */
export function origins(rowSums: boolean): string {
  return `${rowSums ? "let sums_origin = split * p.sums_split + group * p.rows;" : ""}
  let origin = p.out_start + group * p.out_group + split * p.out_split;`;
}

/** Stores what is in `sum0_0`, ...; with `rowSums` the column behind the last has the sums of the rows. */
export function stores(layout: Layout, sink: Sink, rowSums: boolean): string {
  const inLoops = layout.cores || sink.functions.length > LONG_SINK;
  return inLoops ? throughArray(layout, rowSums) : writtenOut(layout, rowSums);
}

/** Stores component c of a vector, or all of it, if its column exists. */
export function store(
  { storeWidth }: Layout,
  rowSums: boolean,
  value: string,
  c: number,
  at: string,
): string {
  const component = `${value}.${"xyzw"[c]}`;
  const put = storeWidth === 4
    ? `store_four((at + to${at}) / 4u, ${value})`
    : `store(at + to${at}, ${component})`;
  const putSum = ` if (j${at} == p.columns) { store_sum(sums_origin + row, ${component}); }`;
  return `if (j${at} < p.columns) { ${put}; }${rowSums ? putSum : ""}`;
}

/** A row after the other, from the registers: what a row has in common is computed and loaded once. */
function writtenOut(layout: Layout, rowSums: boolean): string {
  const [tall, wide] = layout.variant.part;
  const { row, column, components } = placesOf(layout);
  const vectors = range(wide / 4);
  const columns = vectors.flatMap((t) =>
    components.map((c) => `
  let j${t}_${c} = ${column(`${t}u`, c)};
  let to${t}_${c} = out_at(j${t}_${c});`)
  );
  const rows = range(tall).map((m) => `
  {
    let row = ${row(`${m}u`)};
    if (row < p.rows) {
      load_row(group * p.rows + row);
      let at = origin + row * p.out_row;
      ${
    vectors.flatMap((t) => components.map((c) => store(layout, rowSums, `sum${m}_${t}`, c, `${t}_${c}`)))
      .join("\n      ")
  }
    }
  }`);
  return [...columns, ...rows].join("");
}

/**
 * The tile goes through a local array so that a loop with run-time bounds stores it: a driver that unrolled its guarded
 * stores would compile for seconds.
 */
function throughArray(layout: Layout, rowSums: boolean): string {
  const [tall, wide] = layout.variant.part;
  const { row, column, components } = placesOf(layout);
  const kept = range(tall).flatMap((m) =>
    range(wide / 4).map((t) => `results[${t * tall + m}] = sum${m}_${t};`)
  );
  return `
  var results: array<vec4<f32>, ${tall * wide / 4}>;
  ${kept.join("\n  ")}
  for (var t = 0u; t < ${wide / 4}u * p.one; t++) {
    ${components.map((c) => `let j${c} = ${column("t", c)};\n    let to${c} = out_at(j${c});`).join("\n    ")}
    for (var m = 0u; m < ${tall}u * p.one; m++) {
      let row = ${row("m")};
      if (row >= p.rows) { continue; }
      load_row(group * p.rows + row);
      let at = origin + row * p.out_row;
      let value = results[t * ${tall}u + m];
      ${components.map((c) => store(layout, rowSums, "value", c, `${c}`)).join("\n      ")}
    }
  }`;
}
