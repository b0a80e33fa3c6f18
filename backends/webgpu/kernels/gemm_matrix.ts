/**
 * The part of the product of `gemm_shared.ts` that differs where subgroups multiply matrices as a whole, as tensor cores do:
 * tiles of f16 lie in the memory of the workgroup by lines of k, a subgroup loads matrices of 16 x 16 from there and adds
 * their products up in f32; at the end the sums go through that memory again, to whoever stores them.
 *
 * WGSL has that as an experiment of Dawn's, `chromium_experimental_subgroup_matrix`: where an adapter offers it, and f16.
 *
 * @module
 */

import type { Layout } from "./gemm_shared_shader.ts";
import { store } from "./gemm_shared_stores.ts";
import type { Loading } from "./operand_loading.ts";
import { range } from "./shapes.ts";
import { lanesOf, MATRIX, MATRIX_LANES, type Variant, VARIANTS } from "./variants.ts";

/**
 * What stands before everything else in the shader. The 32 lanes of a subgroup are taken to be neighbours, as they are wherever
 * this was seen to run; that all of them agree on what depends on `lane / 32` alone is not seen by who checks the shader.
 */
export const DIRECTIVES = `diagnostic(off, chromium.subgroup_matrix_uniformity);
enable chromium_experimental_subgroup_matrix;
`;

/** What Dawn says of an adapter that knows it. */
interface MatrixInfo extends GPUAdapterInfo {
  readonly subgroupMatrixConfigs?: Iterable<
    { componentType: string; resultComponentType: string; M: number; N: number; K: number }
  >;
}

/**
 * Whether a device, of an adapter that says this of itself, multiplies these matrices, all its subgroups are alike, and its
 * compiler knows them by these words, which the experiment has changed before.
 */
export async function hasMatrices(device: GPUDevice, info: MatrixInfo): Promise<boolean> {
  const { subgroupMinSize, subgroupMaxSize, subgroupMatrixConfigs } = info;
  const { features } = device;
  const offered = features.has("chromium-experimental-subgroup-matrix" as GPUFeatureName) &&
    features.has("shader-f16") &&
    subgroupMinSize === MATRIX_LANES && subgroupMaxSize === MATRIX_LANES &&
    [...subgroupMatrixConfigs ?? []].some(({ componentType, resultComponentType, M, N, K }) =>
      componentType === "f16" && resultComponentType === "f32" && [M, N, K].every((n) => n === MATRIX)
    );
  return offered && await compiles(device);
}

/** Whether a device compiles what is declared here. */
export async function compiles(device: GPUDevice): Promise<boolean> {
  const any = VARIANTS.find(({ shares }) => shares === "matrix")!;
  const line = { stride: 6, apart: 1 };
  device.pushErrorScope("validation");
  device.createShaderModule({ code: `${DIRECTIVES}enable f16;${matrixFunctions(any, line, line)}` });
  return await device.popErrorScope() === null;
}

/** The matrices of a subgroup, by row and column. */
const matricesOf = ({ part: [tall, wide] }: Variant) => ({
  down: range(tall / MATRIX),
  across: range(wide / MATRIX),
});

/** How a tile lies in memory. */
type Lines = Pick<Loading, "stride" | "apart">;

/** Declares the tiles and what is done with them. */
export function matrixFunctions(variant: Variant, fromA: Lines, fromB: Lines): string {
  const { kStep, stages, part } = variant;
  const memory = (name: string, { stride, apart }: Lines) => `
var<workgroup> ${name}_tile: array<f16, ${4 * stages * kStep * stride}>;
fn put_${name}(at: u32, v: vec4<f16>) {
  ${range(4).map((c) => `${name}_tile[at + ${c * apart}u] = v.${"xyzw"[c]};`).join(" ")}
}`;
  return `${memory("a", fromA)}${memory("b", fromB)}
var<workgroup> sums_tile: array<f32, ${lanesOf(variant) / MATRIX_LANES * MATRIX * part[1]}>;
alias Left = subgroup_matrix_left<f16, ${MATRIX}, ${MATRIX}>;
alias Right = subgroup_matrix_right<f16, ${MATRIX}, ${MATRIX}>;
alias Sums = subgroup_matrix_result<f32, ${MATRIX}, ${MATRIX}>;
fn left(at: u32) -> Left { return subgroupMatrixLoad<Left, col_major>(&a_tile, at, ${4 * fromA.stride}); }
fn right(at: u32) -> Right { return subgroupMatrixLoad<Right, row_major>(&b_tile, at, ${4 * fromB.stride}); }
fn multiply(l: Left, r: Right, sums: Sums) -> Sums { return subgroupMatrixMultiplyAccumulate(l, r, sums); }
fn keep_sums(at: u32, sums: Sums) { subgroupMatrixStore<row_major>(&sums_tile, at, sums, ${part[1]}); }`;
}

/** Where a subgroup's part begins in the tile, and the sums of its matrices. */
export function matrixPlaces(variant: Variant): string {
  const { tile, part: [tall, wide] } = variant;
  const { down, across } = matricesOf(variant);
  return `let team = lane / ${MATRIX_LANES}u;
  let teamRow = team / ${tile[1] / wide}u * ${tall}u;
  let teamColumn = team % ${tile[1] / wide}u * ${wide}u;
  ${down.flatMap((i) => across.map((j) => `var sum${i}_${j}: Sums;`)).join("\n  ")}`;
}

/** Adds the products of the tiles that lie at `a_stage` and `b_stage`. */
export function matrixProducts(
  { variant, loadA: { kStep } }: Layout,
  fromA: Loading,
  fromB: Loading,
): string {
  const { down, across } = matricesOf(variant);
  const left = (k: number, i: number) =>
    `left(4u * a_stage + ${4 * k * fromA.stride}u + teamRow + ${i * MATRIX}u)`;
  const right = (k: number, j: number) =>
    `right(4u * b_stage + ${4 * k * fromB.stride}u + teamColumn + ${j * MATRIX}u)`;
  const step = (k: number) => [
    ...down.map((i) => `let l${i} = ${left(k, i)};`),
    ...across.flatMap((j) => [
      `let r${j} = ${right(k, j)};`,
      ...down.map((i) => `sum${i}_${j} = multiply(l${i}, r${j}, sum${i}_${j});`),
    ]),
  ];
  return range(kStep / MATRIX).map((n) => `{ ${step(n * MATRIX).join("\n      ")} }`).join("\n    ");
}

/** Stores the sums, a row of matrices after the other: neighbouring lanes of a subgroup store what lies beside each other. */
export function matrixStores(layout: Layout, rowSums: boolean): string {
  const { variant, storeWidth } = layout;
  const { tile: [height, width], part: [, wide] } = variant;
  const { down, across } = matricesOf(variant);
  const [floats, step] = [MATRIX * wide, MATRIX_LANES * storeWidth];
  const value = storeWidth === 4
    ? `vec4<f32>(${range(4).map((c) => `sums_tile[team * ${floats}u + own + ${c}u]`).join(", ")})`
    : `vec4<f32>(sums_tile[team * ${floats}u + own])`;
  return down.map((i) => `
  workgroupBarrier();
  ${across.map((j) => `keep_sums(team * ${floats}u + ${j * MATRIX}u, sum${i}_${j});`).join("\n  ")}
  workgroupBarrier();
  for (var own = lane % ${MATRIX_LANES}u * ${storeWidth}u; own < ${floats}u; own += ${step}u) {
    let row = rowTile * ${height}u + teamRow + ${i * MATRIX}u + own / ${wide}u;
    if (row < p.rows) {
      load_row(group * p.rows + row);
      let at = origin + row * p.out_row;
      let value = ${value};
      let j0 = columnTile * ${width}u + teamColumn + own % ${wide}u;
      let to0 = out_at(j0);
      ${store(layout, rowSums, "value", 0, "0")}
    }
  }`).join("");
}
