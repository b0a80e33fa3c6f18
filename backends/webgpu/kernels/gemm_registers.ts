/**
 * Writes the shader of the product in which each lane works on its own, from storage to its registers: for cores. Where these
 * have subgroups, lanes send each other the rows that they have in common.
 *
 * @module
 */

import { type Dispatch, elementOf } from "../shader.ts";
import type { PlanValue } from "../values.ts";
import type { GemmProblem } from "./gemm.ts";
import { range } from "./shapes.ts";
import type { Targets } from "./splits.ts";

const STORE_EACH = `store(at, v.x);
        if (end > 1u) { store(at + p.outComponent, v.y); }
        if (end > 2u) { store(at + 2u * p.outComponent, v.z); }
        if (end > 3u) { store(at + 3u * p.outComponent, v.w); }`;

const STORE_SUMS = (tileRows: number) => `
    if (j == p.columns) {
      for (var m = 0u; m < rowEnd; m++) {
        store_sum(split * p.sumsSplit + group * p.rows + row + m, tile[t * ${tileRows}u + m].x);
      }
    }`;

/** An operand that is stored in f16 is bound under another name, and computed with in f32. */
function operand(name: string, value: PlanValue, along: string): Dispatch["bindings"][number] {
  const [half, element] = [value.dtype === "f16", elementOf(value)];
  return {
    name: half ? `${name}_half` : name,
    value,
    element: along === "k" ? element : `vec4<${element}>`,
    access: "read",
  };
}

function widened(name: string, { dtype }: PlanValue, along: string): string {
  const number = along === "k" ? "f32" : "vec4<f32>";
  return dtype === "f16" ? `fn ${name}(i: u32) -> ${number} { return ${number}(${name}_half(i)); }\n` : "";
}

/**
 * The same vec4, but not before `c` is there. Left to itself, LLVM makes all products of a step before the first sum, and
 * has to put them into memory: a third of the time went there.
 */
const AFTER = `
fn after(v: vec4<f32>, c: f32) -> vec4<f32> {
  return bitcast<vec4<f32>>(bitcast<vec4<u32>>(v) | vec4<u32>(bitcast<u32>(c) & p.zero));
}`;

/** So many lanes of a core's subgroup have the same rows: each loads its share of them, and sends it to the others. */
export const TEAM = 8;

/** The shader of the product. */
export function gemmShader(
  { a, b, aAlong, bAlong, tile: { rows: tm, columns: tn } }: GemmProblem,
  { sink, sums }: Targets,
  storeWidth: 1 | 4,
  cores: boolean,
  sends: boolean,
): Pick<Dispatch, "bindings" | "functions" | "body" | "together"> {
  const rows = range(tm);
  const vectors = range(tn / 4);
  const accumulators = rows.flatMap((m) => vectors.map((t) => `${m}_${t}`));
  // One k. Loads stand next to their use to keep few values live. Along k the four of a vec4 lie apart.
  const step = vectors.map((t) => {
    const load = bAlong === "j"
      ? `b(b_at + bBase${t})`
      : `vec4<f32>(${range(4).map((c) => `b(b_at + bBase${t}_${c})`).join(", ")})`;
    return `let b${t} = ${sums ? `select(${load}, vec4<f32>(1.0), ones_${t})` : load};`;
  });
  for (const q of range(tm / 4)) {
    if (sends && q % TEAM === 0) step.push(`let held${q} = a(a_at + ${q}u + subgroupLane);`);
    const load = sends
      ? `subgroupBroadcast(held${q - q % TEAM}, ${q % TEAM}u)`
      : aAlong === "m"
      ? `a(a_at + ${q}u)`
      : `vec4<f32>(${range(4).map((r) => `a(a_at + aBase${4 * q + r})`).join(", ")})`;
    step.push(`let a${q} = ${load};`);
  }
  // Four rows at a time, each four after the last.
  for (const q of range(tm / 4)) {
    step.push(`let rows${q} = ${cores && q > 0 ? `after(a${q}, c${4 * q - 1}_${tn / 4 - 1}.w)` : `a${q}`};`);
    for (const r of range(4)) {
      for (const t of vectors) step.push(`c${4 * q + r}_${t} += rows${q}.${"xyzw"[r]} * b${t};`);
    }
  }

  const bases: string[] = [];
  // Tiles that hang over the edge read the last row or column again; what comes of it is not stored.
  if (aAlong === "k") {
    for (const m of rows) bases.push(`let aBase${m} = min(row + ${m}u, p.rows - 1u) * p.aRow;`);
  }
  for (const t of vectors) {
    bases.push(`let j_${t} = min(column + ${t}u * p.apart, p.columns - 1u);`);
    if (sums) bases.push(`let ones_${t} = column + ${t}u * p.apart == p.columns;`);
    if (bAlong === "j") bases.push(`let bBase${t} = bAt(j_${t});`);
    else {for (const c of range(4)) {
        bases.push(`let bBase${t}_${c} = min(j_${t} * 4u + ${c}u, p.columnExtent - 1u) * p.bLane;`);
      }}
  }

  return {
    ...(sends ? { together: "subgroup" } : {}),
    bindings: [operand("a", a, aAlong), operand("b", b, bAlong), ...sink.bindings, ...(sums?.bindings ?? [])],
    functions: `${cores ? AFTER : ""}
${[widened("a", a, aAlong), widened("b", b, bAlong)].join("")}
fn bAt(j: u32) -> u32 {
  let j01 = j / p.j2;
  return j01 / p.j1 * p.bColumn0 + j01 % p.j1 * p.bColumn1 + j % p.j2 * p.bColumn2;
}
fn outAt(j: u32) -> u32 {
  let j01 = j / p.j2;
  return j01 / p.j1 * p.outColumn0 + j01 % p.j1 * p.outColumn1 + j % p.j2 * p.outColumn2;
}
${sink.functions}
${sums?.functions ?? ""}`,
    body: `
  // Neighbouring lanes take neighbouring columns: B is coalesced, and most of a subgroup has the same rows.
  let tiles = p.rowTiles * p.columnTiles;
  let place = ${sends ? `number * ${TEAM}u` : "i"} + p.firstLane;
  let group = place / (tiles * p.splits);
  let split = place / p.splitEvery % p.splits;
  let tileNumber = place / p.tileEvery % tiles;
  let columnTile = tileNumber % p.columnTiles${sends ? " + lane" : ""};
  let column = columnTile + columnTile / p.apart * p.apart * ${tn / 4 - 1}u;
  let rowTile = tileNumber / p.columnTiles;
  let row = rowTile * ${tm}u;
  let first = split * p.kStart;
  var a_at = p.aStart + group * p.aGroup + first * p.k1 * p.k2 * p.aFirst${
      aAlong === "m" ? " + rowTile * p.aRow" : ""
    };
  var b_at = p.bStart + group * p.bGroup + first * p.bFirst;
  ${bases.join("\n  ")}
  ${accumulators.map((at) => `var sum${at} = vec4<f32>();`).join("\n  ")}
  let kCount = min(p.kMost, (p.k0 - first + p.kTurn - 1u) / p.kTurn) * p.k1 * p.k2;
  var k1 = 0u;
  var k2 = 0u;
  // Sums of a block are added up apart from the total: in f32 the rounding of a long sum grows with its length.
  for (var k = 0u; k < kCount; ) {
    ${accumulators.map((at) => `var c${at} = vec4<f32>();`).join("\n    ")}
    // One loop; the carries between the k axes are selects, so lanes never diverge and the body exists once.
    for (let end = min(k + p.block, kCount); k < end; k++) {
      ${step.join("\n      ")}
      k2 += 1u;
      let carry2 = k2 == p.k2;
      k1 += select(0u, 1u, carry2);
      let carry1 = k1 == p.k1;
      k2 = select(k2, 0u, carry2);
      k1 = select(k1, 0u, carry1);
      a_at += p.aStep;
      b_at += select(p.bCarry2, select(p.bCarry1, p.bCarry0, carry1), carry2);
    }
    ${accumulators.map((at) => `sum${at} += c${at};`).join("\n    ")}
  }
  // The tile goes through a local array so that a loop with run-time bounds stores it: a driver that unrolled its
  // guarded stores would compile for seconds.
  var tile: array<vec4<f32>, ${tm * tn / 4}>;
  ${rows.flatMap((m) => vectors.map((t) => `tile[${t * tm + m}] = sum${m}_${t};`)).join("\n  ")}
  let rowEnd = min(${tm}u, p.rows - row) * p.one;
  for (var t = 0u; t < ${vectors.length}u * p.one; t++) {
    let j = column + t * p.apart;
    if (j < p.columns) {
      var at = p.outStart + group * p.outGroup + split * p.outSplit + row * p.outRow + outAt(j);
      let end = p.columnExtent - j % p.j2 * 4u;
      for (var m = 0u; m < rowEnd; m++) {
        load_row(group * p.rows + row + m);
        let v = tile[t * ${tm}u + m];
        ${storeWidth === 4 ? "store_four(at / 4u, v);" : STORE_EACH}
        at += p.outRow;
      }
    }${sums ? STORE_SUMS(tm) : ""}
  }`,
  };
}
