/**
 * How a tile of an operand gets from storage to those who share it. What is shared is a vec4 of four rows (or columns) at
 * one k. They are neighbours where they were read as one vec4. Otherwise they are a quarter of the tile apart, so that
 * neighbouring lanes still have neighbouring rows, both when they load and when they store.
 *
 * @module
 */

import type { Pair, Side } from "./operand.ts";
import { type Axes, range } from "./shapes.ts";

/** Who loads a tile. */
export interface Loaders {
  /** The variable that counts them, and how many there are. */
  readonly lane: string;
  readonly lanes: number;
  /** Rows or columns of the tile, and how many k. */
  readonly extent: number;
  readonly kStep: number;
  /** Whether k ends with a tile: then there is always something to load. */
  readonly whole: boolean;
}

/** How lanes share out a tile's loads. */
interface Spread {
  /** Along k, a lane that reads four k of four rows turns them into four vec4s of rows. */
  readonly block: 1 | 4;
  /** Along k so many lanes stand one after the other; across as many vec4s as they have at once. */
  readonly turns: number;
  readonly vectors: number;
  readonly loads: number;
  /** The k between two loads of a lane. */
  readonly step: number;
  /** How many lanes load. */
  readonly active: number;
}

/** A lane keeps its k and changes its rows, or the other way round; so that none has less to do, some may have nothing. */
function spreadOf({ order }: Side, { lanes, extent, kStep }: Loaders): Spread {
  const all = extent / 4;
  if (order.startsWith("k")) {
    const block = order === "k4" ? 4 : 1;
    const turns = kStep / block;
    const vectors = largestDivisor(all, lanes / turns);
    return { block, turns, vectors, loads: all / vectors, step: kStep, active: turns * vectors };
  }
  const step = largestDivisor(kStep, lanes / all);
  return { block: 1, turns: step, vectors: all, loads: kStep / step, step, active: all * step };
}

function largestDivisor(n: number, most: number): number {
  return range(n).map((i) => n - i).find((each) => each <= most && n % each === 0)!;
}

/** A line and a pixel in one word, each with room for a sign. */
const packed = ([line, pixel]: Pair): number => line * 2 ** 16 + pixel;

/** Whether lines and pixels from the first before an image to the last behind it fit into a word. */
export function fitsPacked(extent: Pair, before: Pair, count: Pair): boolean {
  return [0, 1].every((axis) => extent[axis]! < 2 ** 15 && Math.abs(before[axis]!) + count[axis]! < 2 ** 15);
}

/** The run-time numbers of an operand. */
export function operandParams(
  side: Side,
  kCounts: Axes,
  loaders: Loaders,
): Record<string, number> {
  const { name, linear, operand: { start, group, free, k, edges } } = side;
  const { step } = spreadOf(side, loaders);
  const digits = [
    Math.floor(step / kCounts[2] / kCounts[1]),
    Math.floor(step / kCounts[2]) % kCounts[1],
    step % kCounts[2],
  ];
  const at = digits.reduce((sum, digit, i) => sum + digit * k[i]!, 0);
  const own: Record<string, number> = linear ? {} : {
    k0: k[0],
    k1: k[1],
    // Counting in three digits: what a step adds, and what a carry takes back.
    step1: digits[1]!,
    step2: digits[2]!,
    step: at,
    carry1: k[0] - kCounts[1] * k[1],
    carry2: k[1] - kCounts[2] * k[2],
  };
  if (edges) {
    own["edge_first"] = packed(edges.first);
    own["edge_last"] = packed([edges.extent[0] - 1, edges.extent[1] - 1]);
    own["edge_free1"] = packed([edges.free[0], 0]);
    own["edge_free2"] = edges.free[1];
    own["edge_k1"] = packed([edges.k[0], 0]);
    own["edge_k2"] = edges.k[1];
  }
  const all: Record<string, number> = {
    ...own,
    k2: k[2],
    start,
    group,
    free0: free[0],
    free1: free[1],
    free2: free[2],
  };
  return Object.fromEntries(Object.entries(all).map(([key, value]) => [`${name}_${key}`, value]));
}

/** The code that loads an operand's tile. */
export interface Loading {
  /** Before the loop over k. */
  readonly before: string;
  /** Loads the next tile into registers. */
  readonly fetch: string;
  /** Puts the registers into the memory of the workgroup, in the copy that begins at `a_stage` or `b_stage`. */
  readonly keep: string;
  /** The registers, each a vec4. */
  readonly registers: readonly string[];
  /** From a k to the next in the memory of the workgroup, in vec4s. */
  readonly stride: number;
  /** From a number of a vec4 to the next in the tile. */
  readonly apart: number;
}

/**
 * Writes the code; `first` is the tile's first row or column, of which there are `count`. With `ones`, the elements of the
 * one behind the last are ones.
 */
export function loading(
  side: Side,
  loaders: Loaders,
  first: string,
  count: string,
  ones: boolean = false,
): Loading {
  const { name, order, linear, adjacent, scalar, operand: { edges } } = side;
  const { lane, lanes, extent } = loaders;
  const vec4 = `vec4<${scalar}>`;
  const vectors = extent / 4;
  const alongK = order.startsWith("k");
  const { block, turns, vectors: atOnce, loads, step, active } = spreadOf(side, loaders);
  // Another stride keeps lanes along k off each other's banks, and those who load matrices, eight lines of them at once; a
  // matrix wants its lines to begin at multiples of sixteen bytes.
  const stride = vectors + (scalar === "f16" ? 2 : alongK ? 1 : 0);
  const vector = (n: number) => alongK ? `${name}_v + ${n * atOnce}u` : `${name}_v`;
  const line = (n: number, s: number) =>
    `(${name}_stage + (${name}_own + ${alongK ? s : n * step}u) * ${stride}u)`;
  const place = (n: number, c: number) =>
    adjacent ? `4u * (${vector(n)}) + ${c}u` : `${vector(n)} + ${c * vectors}u`;

  const before = [
    alongK
      ? `let ${name}_own = ${lane} % ${turns}u * ${block}u;\n  let ${name}_v = ${lane} / ${turns}u;`
      : `let ${name}_own = ${lane} / ${vectors}u;\n  let ${name}_v = ${lane} % ${vectors}u;`,
    `var ${name}_n = kFirst + ${name}_own;`,
    // Lanes that find nothing to load.
    active < lanes ? `let ${name}_end = select(0u, kEnd, ${lane} < ${active}u);` : `let ${name}_end = kEnd;`,
  ];
  if (!linear) {
    before.push(
      `var ${name}_digit2 = ${name}_n % p.k2;`,
      `var ${name}_digit1 = ${name}_n / p.k2 % p.k1;`,
      `var ${name}_at = ${name}_digit2 * p.${name}_k2 + ${name}_digit1 * p.${name}_k1 + ${name}_n / p.k2 / p.k1 * p.${name}_k0;`,
    );
  }
  // Beyond the last row the last is read again; what comes of it is not stored.
  const bases = order === "free4" ? 1 : 4;
  for (const n of range(alongK ? loads : 1)) {
    for (const c of range(bases)) {
      const free = `min(${first} + ${place(n, c)}, ${count} - ${order === "free4" ? 4 : 1}u)`;
      before.push(
        `let ${name}_base${n}_${c} = p.${name}_start + group * p.${name}_group + ${name}_free(${free});`,
      );
      if (edges) {
        before.push(`let ${name}_from${n}_${c} = p.${name}_edge_first + ${name}_edge_free(${free});`);
      }
    }
  }

  const isOne = (n: number, c: number) => `${first} + ${place(n, c)} == ${count}`;
  if (ones) {
    for (const n of range(alongK ? loads : 1)) {
      before.push(`let ${name}_one${n} = vec4<bool>(${range(4).map((c) => isOne(n, c)).join(", ")});`);
    }
  }

  const at = linear ? `${name}_n * p.${name}_k2` : `${name}_at`;
  const element = (n: number, c: number) => {
    const own = `${alongK ? n : 0}_${c}`;
    const index = `${name}_base${own} + ${at}`;
    if (edges) return `${name}_or_zero(${index}, ${name}_from${own} + ${name}_window)`;
    return block === 4 || order === "free4"
      ? `${vec4}(${name}((${index}) >> 2u))`
      : `${scalar}(${name}(${index}))`;
  };
  const registers: string[] = [];
  const orOne = (text: string, condition: string) =>
    ones ? `select(${text}, ${vec4}(1.0), ${condition})` : text;
  const load = (n: number) => {
    if (block === 4) {
      return range(4).map((c) => {
        registers.push(`${name}${n}_${c}`);
        return `${name}${n}_${c} = ${orOne(element(n, c), `${name}_one${n}.${"xyzw"[c]}`)};`;
      }).join(" ");
    }
    registers.push(`${name}${n}`);
    const four = order === "free4"
      ? element(n, 0)
      : `${vec4}(${range(4).map((c) => element(n, c)).join(", ")})`;
    return `${name}${n} = ${orOne(four, `${name}_one${alongK ? n : 0}`)};`;
  };
  const advance = `${name}_n += ${step}u;` + (linear ? "" : `
    ${name}_at += p.${name}_step; ${name}_digit2 += p.${name}_step2; ${name}_digit1 += p.${name}_step1;
    if (${name}_digit2 >= p.k2) { ${name}_digit2 -= p.k2; ${name}_digit1 += 1u; ${name}_at += p.${name}_carry2; }
    if (${name}_digit1 >= p.k1) { ${name}_digit1 -= p.k1; ${name}_at += p.${name}_carry1; }`);
  const fetch: string[] = [];
  // What is beyond the end of k counts as zero.
  for (const group of alongK ? [range(loads)] : range(loads).map((n) => [n])) {
    const from = registers.length;
    const lines = group.map(load);
    if (edges) {
      lines.unshift(
        `let ${name}_window = ${name}_digit1 * p.${name}_edge_k1 + ${name}_digit2 * p.${name}_edge_k2;`,
      );
    }
    const clear = registers.slice(from).map((register) => `${register} = ${vec4}();`).join(" ");
    const all = active === lanes && loaders.whole;
    fetch.push(
      all
        ? `{ ${lines.join("\n      ")} }\n    ${advance}`
        : `${clear}\n    if (${name}_n < ${name}_end) { ${lines.join("\n      ")} }\n    ${advance}`,
    );
  }
  // Matrices are loaded from scalars, which lie in their order.
  const put = (n: number, s: number, value: string) =>
    scalar === "f16"
      ? `put_${name}(4u * ${line(n, s)} + ${adjacent ? "4u * " : ""}(${vector(n)}), ${value});`
      : `${name}_tile[${line(n, s)} + ${vector(n)}] = ${value};`;
  const keep = range(loads).flatMap((n) =>
    block === 4
      ? range(4).map((s) =>
        put(n, s, `${vec4}(${range(4).map((c) => `${name}${n}_${c}.${"xyzw"[s]}`).join(", ")})`)
      )
      : [put(n, 0, `${name}${n}`)]
  );
  return {
    before: [...before, ...registers.map((register) => `var ${register}: ${vec4};`)].join("\n  "),
    fetch: fetch.join("\n    "),
    keep: active < lanes ? `if (${lane} < ${active}u) { ${keep.join(" ")} }` : keep.join("\n    "),
    registers,
    stride,
    apart: adjacent ? 1 : vectors,
  };
}
