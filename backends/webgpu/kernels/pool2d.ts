/**
 * Pooling. A gradient asks, for each pixel, which windows hold it: no two invocations write to one place.
 *
 * @module
 */

import type { PoolGeometry, PoolGradientAttributes } from "../../../tensor/ops/pool2d.ts";
import { onCores } from "../cores.ts";
import { type Binding, elementOf, readOf, writeOf } from "../shader.ts";
import { timesOf } from "./multiples.ts";
import { range } from "./shapes.ts";
import type { DispatchKernel, IndexedContext, IndexedKernel, KernelContext, KernelsOf } from "./types.ts";

type Four = readonly [number, number, number, number];

/** Windows, and blocks of pixels, of up to so many elements are written out in the shader; larger ones are loops. */
const MOST_TERMS = 64;

const product = (a: readonly number[], b: readonly number[]) =>
  a.flatMap((x) => b.map((y) => [x, y] as const));

/** Code for each place (v, u) of a window. */
function overWindow(
  [tall, wide]: readonly [number, number],
  visit: (v: string, u: string) => string,
): string {
  if (tall * wide <= MOST_TERMS) {
    return product(range(tall), range(wide)).map(([v, u]) => `{${visit(`${v}u`, `${u}u`)}}`).join("\n");
  }
  return `
    for (var v = 0u; v < ${tall}u; v++) {
      for (var u = 0u; u < ${wide}u; u++) {${visit("v", "u")}}
    }`;
}

/** What every kernel of max-pooling is made of. */
export interface MaxPool {
  /**
   * Code that leaves the largest element of the window at `top`, `left`, whose first stands at `at`, in `best`, and which one
   * it is in `place`.
   */
  readonly visits: string;
  readonly element: "f32" | "f16";
  readonly bindings: readonly Binding[];
  readonly params: Readonly<Record<string, number>>;
}

function emitMaxPool(context: KernelContext<PoolGeometry>): void {
  const { window, stride, padding } = context.attributes;
  const padded = padding.some((side) => side > 0);
  const visit = (v: string, u: string) => `
      ${padded ? `if (top + ${v} < p.height && left + ${u} < p.width) {` : "{"}
        let value = f32(x(at + ${v} * p.lineStride + ${u} * p.pixelStride));
        let better = place < 0 || value > best;
        best = select(best, value, better);
        place = select(place, i32(${v} * ${window[1]}u + ${u}), better);
      }`;
  const visits = overWindow(window, visit);
  const view = context.inputs[0]!;
  const [, channels, height, width] = view.shape as unknown as Four;
  const [, , rows, columns] = context.shapes[0] as unknown as Four;
  const [y, index] = context.outputs;
  const pool: MaxPool = {
    visits,
    element: elementOf(view.value),
    bindings: [readOf("x", view.value), writeOf("y", y!), writeOf("index", index!)],
    params: {
      channels,
      height,
      width,
      rows,
      columns,
      paddingTop: padding[0],
      paddingLeft: padding[1],
      imageStride: view.strides[0]!,
      channelStride: view.strides[1]!,
      lineStride: view.strides[2]!,
      pixelStride: view.strides[3]!,
      offset: view.offset,
    },
  };
  if (context.gpu?.sharedMaxPool(context, pool)) return;
  const { element } = pool;
  const asBytes = index!.dtype === "u8";
  const { length } = y!;
  // Bytes are stored four at a time.
  const neighbours = asBytes ? 4 : 1;
  context.dispatch({
    bindings: pool.bindings,
    params: { length, neighbours, ...pool.params },
    functions: `fn image_at(plane: u32) -> u32 {
  return p.offset + plane / p.channels * p.imageStride + plane % p.channels * p.channelStride;
}`,
    body: `
  var column = i * p.neighbours % p.columns;
  let line_number = i * p.neighbours / p.columns;
  var row = line_number % p.rows;
  var plane = line_number / p.rows;
  var image = image_at(plane);
  var places = 0u;
  for (var n = 0u; n < min(p.neighbours, p.length - i * p.neighbours); n++) {
    // Unsigned: above and left of the image wraps round to beyond it.
    let top = row * ${stride[0]}u - p.paddingTop;
    let left = column * ${stride[1]}u - p.paddingLeft;
    let at = image + top * p.lineStride + left * p.pixelStride;
    var best = 0.0;
    var place = -1;
    ${visits}
    set_y(i * p.neighbours + n, ${element}(best));
    ${asBytes ? "places |= u32(place) << (8u * n);" : "set_index(i, place);"}
    column += 1u;
    if (column == p.columns) {
      column = 0u;
      row += 1u;
      if (row == p.rows) {
        row = 0u;
        plane += 1u;
        image = image_at(plane);
      }
    }
  }
  ${asBytes ? "set_index(i, places);" : ""}`,
    invocations: Math.ceil(length / neighbours),
  });
}

type Gradient = KernelContext<PoolGradientAttributes>;

/**
 * The gradient of a pooling: what each pixel gets from the windows that hold it. `counts` says whether a window counts
 * at a place in it.
 *
 * Cut into blocks of as many pixels as a stride has, the image repeats: which windows hold a block's pixels, and at which
 * place, is the same for all blocks, and needs no arithmetic. A lane takes a block, on a processor some blocks of a row,
 * and loads the windows of all their pixels once.
 */
function emitGradient(context: Gradient, maximum: boolean): void {
  const { window, stride, padding, shape } = context.attributes;
  const [height, width] = shape.slice(2) as [number, number];
  const [dy, index] = context.inputs.map((view) => context.contiguous(view));
  const [, , rows, columns] = context.inputs[0]!.shape as unknown as Four;
  const sink = context.sink();
  const asBytes = index?.dtype === "u8";
  const terms = window[0] * window[1];
  const cores = onCores(context.parallelism);
  const guess = cores ? Math.min(4, Math.floor(8 / stride[1])) : 1;
  const run = Math.max(1, Math.floor(Math.min(guess * timesOf(context, "blocks"), MOST_TERMS / terms)));
  const written = terms <= MOST_TERMS && stride[0] * stride[1] * run <= MOST_TERMS;
  const blocks = (axis: 0 | 1, extent: number, step: number) => {
    const first = Math.floor(padding[axis] / step);
    return { first, count: Math.ceil((extent + padding[axis]) / step) - first };
  };
  const down = blocks(0, height, stride[0]);
  const across = blocks(1, width, stride[1]);
  const runs = Math.ceil(across.count / run);
  const planes = shape[0]! * shape[1]!;
  context.dispatch({
    bindings: [
      readOf("dy", dy!),
      ...maximum ? [readOf("index", index!)] : [],
      ...sink.bindings,
    ],
    params: {
      height,
      width,
      rows,
      columns,
      down: down.count,
      runs,
      firstDown: down.first,
      firstAcross: across.first,
      paddingTop: padding[0],
      paddingLeft: padding[1],
      ...(cores ? { one: 1 } : {}),
      ...sink.params,
    },
    functions: `${sink.functions}
fn place_at(w: u32) -> u32 { return ${
      !maximum ? "0u" : asBytes ? "(index(w / 4u) >> (w % 4u * 8u)) & 255u" : "u32(index(w))"
    }; }`,
    body: written ? blockBody(context, maximum, run, cores) : pixelBody(context, maximum),
    invocations: planes * (written ? down.count * runs : height * width),
  });
}

function blockBody(
  { attributes: { window, stride } }: Gradient,
  maximum: boolean,
  run: number,
  cores: boolean,
): string {
  // Windows 0, 1, ... along an axis, of which the last begins with the block, or with the last one of the run.
  const [tall, wide] = [0, 1].map((axis) => Math.ceil(window[axis]! / stride[axis]!)) as [number, number];
  const windows = product(range(tall), range(wide - 1 + run));
  const loads = windows.map(([v, u]) => `
  let in${v}_${u} = top + ${v}u < p.rows && left + ${u}u < p.columns;
  let w${v}_${u} = select(0u, (plane * p.rows + top + ${v}u) * p.columns + left + ${u}u, in${v}_${u});
  let dy${v}_${u} = select(0.0, f32(dy(w${v}_${u})), in${v}_${u});
  let place${v}_${u} = place_at(w${v}_${u});`);
  const sums = product(range(stride[0]), range(stride[1] * run)).map(([line, pixel], at) => {
    const held = windows.flatMap(([v, u]) => {
      const [y, x] = [line + (tall - 1 - v) * stride[0], pixel + (wide - 1 - u) * stride[1]];
      if (y >= window[0] || x < 0 || x >= window[1]) return [];
      return [
        maximum ? `select(0.0, dy${v}_${u}, place${v}_${u} == ${y * window[1] + x}u)` : `dy${v}_${u}`,
      ];
    });
    return `
  sums[${at}] = ${["0.0", ...held].join(" + ")};`;
  });
  return `
  let across = i % p.runs * ${run}u + p.firstAcross;
  let down = i / p.runs % p.down + p.firstDown;
  let plane = i / p.runs / p.down;
  // Unsigned: before the first window and pixel, numbers wrap round to large ones.
  let top = down - ${tall - 1}u;
  let left = across - ${wide - 1}u;
  ${loads.join("")}
  var sums: array<f32, ${sums.length}>;
  ${sums.join("")}
  // Mesa would take seconds to unroll the loop; a GPU should, to keep the sums in registers.
  for (var n = 0u; n < ${sums.length}u${cores ? " * p.one" : ""}; n++) {
    let line = down * ${stride[0]}u - p.paddingTop + n / ${stride[1] * run}u;
    let pixel = across * ${stride[1]}u - p.paddingLeft + n % ${stride[1] * run}u;
    if (line < p.height && pixel < p.width) {
      store((plane * p.height + line) * p.width + pixel, sums[n]${maximum ? "" : ` * ${oneOver(window)}`});
    }
  }`;
}

const oneOver = (window: readonly [number, number]) => `(1.0 / ${window[0] * window[1]}.0)`;

/** For large windows or strides: a pixel a lane, in loops. */
function pixelBody({ attributes: { window, stride } }: Gradient, maximum: boolean): string {
  // The first window that holds the pixel, and the one behind the last.
  const first = (place: string, axis: 0 | 1) =>
    `(max(${place} + ${stride[axis]}u, ${window[axis]}u) - ${window[axis]}u) / ${stride[axis]}u`;
  const end = (place: string, axis: 0 | 1) => `${place} / ${stride[axis]}u + 1u`;
  return `
  let line = i / p.width % p.height + p.paddingTop;
  let pixel = i % p.width + p.paddingLeft;
  let plane = i / p.width / p.height;
  var sum = 0.0;
  for (var row = ${first("line", 0)}; row < min(${end("line", 0)}, p.rows); row++) {
    for (var column = ${first("pixel", 1)}; column < min(${end("pixel", 1)}, p.columns); column++) {
      let w = (plane * p.rows + row) * p.columns + column;
      let place = (line - row * ${stride[0]}u) * ${window[1]}u + pixel - column * ${stride[1]}u;
      ${maximum ? "if (place_at(w) == place) { sum += f32(dy(w)); }" : "sum += f32(dy(w));"}
    }
  }
  store(i, sum${maximum ? "" : ` * ${oneOver(window)}`});`;
}

const gradientKernel = (maximum: boolean): DispatchKernel<PoolGradientAttributes> => ({
  kind: "dispatch",
  fuses: true,
  emit: (context) => emitGradient(context, maximum),
});

/** For window e: its plane and the image coordinates of its first element. */
function atWindow({ attributes, inputs, shape, param }: IndexedContext<PoolGeometry>): string {
  const { stride, padding } = attributes;
  const [, , height, width] = inputs[0] as unknown as Four;
  const [, , rows, columns] = shape as unknown as Four;
  return `let height = ${param(height)};
let width = ${param(width)};
let plane = e / ${param(rows * columns)} * (height * width);
let top = e / ${param(columns)} % ${param(rows)} * ${param(stride[0])} - ${param(padding[0])};
let left = e % ${param(columns)} * ${param(stride[1])} - ${param(padding[1])};`;
}

const maxPool2dPick: IndexedKernel<PoolGeometry> = {
  kind: "indexed",
  element([x, index], context) {
    const windowX = context.param(context.attributes.window[1]);
    return `${atWindow(context)}
let place = u32(${index}(e));
return ${x}(plane + (top + place / ${windowX}) * width + left + place % ${windowX});`;
  },
};

const avgPool2d: IndexedKernel<PoolGeometry> = {
  kind: "indexed",
  element([x], context) {
    const [windowY, windowX] = context.attributes.window.map((extent) => context.param(extent));
    return `${atWindow(context)}
var sum = 0.0;
for (var v = 0u; v < ${windowY}; v++) {
  for (var u = 0u; u < ${windowX}; u++) {
    if (top + v < height && left + u < width) { sum += ${x}(plane + (top + v) * width + left + u); }
  }
}
return sum / f32(${windowY} * ${windowX});`;
  },
};

/** The table of the family. */
export const pool2dKernels: KernelsOf<typeof import("../../../tensor/ops/pool2d.ts")> = {
  maxPool2d: { kind: "dispatch", emit: emitMaxPool } as DispatchKernel<PoolGeometry>,
  maxPool2dGradient: gradientKernel(true),
  maxPool2dPick,
  avgPool2d,
  avgPool2dGradient: gradientKernel(false),
};
