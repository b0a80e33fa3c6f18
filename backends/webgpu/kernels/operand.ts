/**
 * How a tile of an operand gets from storage to those who share it. An operand is a view: nothing is packed first. What
 * matters to a GPU is that neighbouring lanes read neighbouring addresses, so lanes run along the rows (or columns) of
 * the tile or along k, whichever is closer in memory, and read four elements at once where they lie so.
 *
 * What is shared is a vec4 of four rows (or columns) at one k. They are neighbours where they were read as one vec4.
 * Otherwise they are a quarter of the tile apart, so that neighbouring lanes still have neighbouring rows, both when they
 * load and when they store.
 *
 * @module
 */

import type { Binding } from "../shader.ts";
import type { PlanValue } from "../values.ts";
import { type Axes, range } from "./shapes.ts";

/** Element (z, free, k) stands at start + z * group + sum of free_i * free[i] + sum of k_i * k[i]. */
export interface Operand {
  readonly value: PlanValue;
  readonly start: number;
  readonly group: number;
  /** The strides of the rows of A or the columns of B. */
  readonly free: Axes;
  readonly k: Axes;
}

/** Which way lanes go through a tile, and whether each reads four neighbours. */
export type Order = "free" | "free4" | "k" | "k4";

/** An operand, and what its shader depends on. */
export interface Side {
  readonly name: "a" | "b";
  readonly operand: Operand;
  readonly order: Order;
  /** Whether all of k is one axis in memory. */
  readonly linear: boolean;
  /** Whether the four of a vec4 are neighbours. */
  readonly adjacent: boolean;
}

/** How many there are. */
export const volume = (counts: Axes): number => counts[0] * counts[1] * counts[2];

/** Makes one of neighbouring k axes over which both operands step evenly; axes of one element go to the front. */
export function mergeK(counts: Axes, a: Operand, b: Operand): { counts: Axes; a: Operand; b: Operand } {
  let axes = range(3).map((i) => ({ count: counts[i]!, a: a.k[i]!, b: b.k[i]! })).filter(({ count }) =>
    count !== 1
  );
  if (counts.includes(0)) axes = [{ count: 0, a: 0, b: 0 }];
  for (let i = axes.length - 1; i > 0; i--) {
    const [outer, inner] = [axes[i - 1]!, axes[i]!];
    if (outer.a !== inner.a * inner.count || outer.b !== inner.b * inner.count) continue;
    axes.splice(i - 1, 2, { ...inner, count: outer.count * inner.count });
  }
  while (axes.length < 3) axes.unshift({ count: 1, a: 0, b: 0 });
  const of = (key: "count" | "a" | "b") => axes.map((axis) => axis[key]) as unknown as Axes;
  return { counts: of("count"), a: { ...a, k: of("a") }, b: { ...b, k: of("b") } };
}

/** Whether all are multiples of four. */
export const byFour = (numbers: readonly number[]): boolean => numbers.every((n) => n % 4 === 0);

/** Whether axes are one in memory, with the step of the innermost. */
export function nests(counts: Axes, steps: Axes): boolean {
  const inner = counts[2] * steps[2];
  return (counts[1] === 1 || steps[1] === inner) && (counts[0] === 1 || steps[0] === inner * counts[1]);
}

/**
 * Chooses the order of an operand whose free axes have these counts, and k (merged) those. Some orders may be none for who
 * loads it; `neighbours` says that four should be neighbours if they can.
 */
export function sideOf(
  name: "a" | "b",
  operand: Operand,
  counts: Axes,
  kCounts: Axes,
  { never, neighbours }: { readonly never: readonly Order[]; readonly neighbours: boolean },
): Side {
  const { start, group, free, k } = operand;
  const linear = nests(kCounts, k);
  const aligned = byFour([start, group]);
  // The shorter step, then the longer run.
  const [stepFree, stepK] = [Math.abs(free[2]), Math.abs(k[2])];
  const order = (["free4", "k4", "k", "free"] as const).find((each) => {
    if (never.includes(each)) return false;
    if (each === "free4") return aligned && free[2] === 1 && byFour([counts[2], free[0], free[1], ...k]);
    if (each === "k4") return aligned && linear && k[2] === 1 && byFour([volume(kCounts), ...free]);
    return each === "free" || stepK < stepFree || (stepK === stepFree && kCounts[2] > counts[2]);
  })!;
  return {
    name,
    operand,
    linear,
    order,
    adjacent: order === "free4" || (order !== "free" && neighbours),
  };
}

/** The binding of an operand. */
export function bindingOf({ name, operand: { value }, order }: Side): Binding {
  const type = value.dtype === "f16" ? "f16" : "f32";
  return { name, value, element: order.endsWith("4") ? `vec4<${type}>` : type, access: "read" };
}

/** Who loads a tile. */
export interface Loaders {
  /** The variable that counts them, and how many there are. */
  readonly lane: string;
  readonly lanes: number;
  /** Rows or columns of the tile, and how many k. */
  readonly extent: number;
  readonly kStep: number;
}

/** The k between two loads of a lane. */
function stepOf({ order }: Side, { lanes, extent, kStep }: Loaders): number {
  return order.startsWith("k") ? kStep : Math.min(kStep, lanes / (extent / 4));
}

/** The run-time numbers of an operand. */
export function operandParams(
  side: Side,
  kCounts: Axes,
  loaders: Loaders,
): Record<string, number> {
  const { name, linear, operand: { start, group, free, k } } = side;
  const step = stepOf(side, loaders);
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
  /** From a k to the next in the memory of the workgroup. */
  readonly stride: number;
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
  const { name, order, linear, adjacent } = side;
  const { lane, lanes, extent, kStep } = loaders;
  const vectors = extent / 4;
  const alongK = order.startsWith("k");
  // Along k, a lane that reads four k of four rows turns them into four vec4s of rows.
  const block = order === "k4" ? 4 : 1;
  const total = vectors * kStep / block;
  const loads = Math.ceil(total / lanes);
  const turns = kStep / block;
  const step = stepOf(side, loaders);
  // A lane keeps its k and changes its rows, or the other way round. An odd stride keeps lanes along k off each other's banks.
  const stride = alongK ? vectors + 1 : vectors;
  const vector = (n: number) => alongK ? `${name}_v + ${n * lanes / turns}u` : `${name}_v`;
  const slot = (n: number, s: number) =>
    `${name}_stage + (${name}_own + ${alongK ? s : n * step}u) * ${stride}u + ${vector(n)}`;
  const place = (n: number, c: number) =>
    adjacent ? `4u * (${vector(n)}) + ${c}u` : `${vector(n)} + ${c * vectors}u`;

  const before = [
    alongK
      ? `let ${name}_own = ${lane} % ${turns}u * ${block}u;\n  let ${name}_v = ${lane} / ${turns}u;`
      : `let ${name}_own = ${lane} / ${vectors}u;\n  let ${name}_v = ${lane} % ${vectors}u;`,
    `var ${name}_n = kFirst + ${name}_own;`,
    // Lanes that find nothing to load.
    total < lanes ? `let ${name}_end = select(0u, kEnd, ${lane} < ${total}u);` : `let ${name}_end = kEnd;`,
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
      before.push(
        `let ${name}_base${n}_${c} = p.${name}_start + group * p.${name}_group + ` +
          `${name}_free(min(${first} + ${place(n, c)}, ${count} - ${order === "free4" ? 4 : 1}u));`,
      );
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
    const index = `${name}_base${alongK ? n : 0}_${c} + ${at}`;
    return block === 4 || order === "free4"
      ? `vec4<f32>(${name}((${index}) >> 2u))`
      : `f32(${name}(${index}))`;
  };
  const registers: string[] = [];
  const orOne = (text: string, condition: string) =>
    ones ? `select(${text}, vec4<f32>(1.0), ${condition})` : text;
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
      : `vec4<f32>(${range(4).map((c) => element(n, c)).join(", ")})`;
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
    const clear = registers.slice(from).map((register) => `${register} = vec4<f32>();`).join(" ");
    fetch.push(`${clear}\n    if (${name}_n < ${name}_end) { ${lines.join("\n      ")} }\n    ${advance}`);
  }
  const keep = range(loads).flatMap((n) =>
    block === 4
      ? range(4).map((s) =>
        `${name}_tile[${slot(n, s)}] = vec4<f32>(${
          range(4).map((c) => `${name}${n}_${c}.${"xyzw"[s]}`).join(", ")
        });`
      )
      : [`${name}_tile[${slot(n, 0)}] = ${name}${n};`]
  );
  return {
    before: [...before, ...registers.map((register) => `var ${register}: vec4<f32>;`)].join("\n  "),
    fetch: fetch.join("\n    "),
    keep: total < lanes ? `if (${lane} < ${total}u) { ${keep.join(" ")} }` : keep.join("\n    "),
    registers,
    stride,
  };
}

/** Declares the function from a row or column to its distance from the first. */
export function freeFunction({ name }: Side, counts: Axes): string {
  return freeText(`${name}_free`, (axis) => `p.${name}_free${axis}`, counts);
}

/** Declares a function from a row or column to the sum of its steps along the axes. */
export function freeText(name: string, stride: (axis: number) => string, counts: Axes): string {
  if (counts[0] * counts[1] === 1) return `fn ${name}(f: u32) -> u32 { return f * ${stride(2)}; }`;
  return `fn ${name}(f: u32) -> u32 {
  let outer = f / p.f2;
  return outer / p.f1 * ${stride(0)} + outer % p.f1 * ${stride(1)} + f % p.f2 * ${stride(2)};
}`;
}
