/**
 * Local response normalisation, forward in one pass and backward in two, where the composition would take dozens.
 *
 * @module
 */

import type { LocalResponseNormAttributes } from "../../../tensor/ops/normalize.ts";
import { sizeOf } from "../../../tensor/shape.ts";
import type { DispatchKernel, KernelContext, KernelsOf } from "./types.ts";

type Context = KernelContext<LocalResponseNormAttributes>;

/** x^-exponent for positive x, from what WGSL promises well. */
const POWER = `
fn power(x: f32, exponent: f32) -> f32 { return exp2(-exponent * log2(x)); }`;

/** The window of map `map`: it stays inside the group; \`reach\` maps before, \`rest\` after. */
const WINDOW = `
  let pixel = i % p.pixels;
  let map = i / p.pixels % p.maps;
  let tower = i - map * p.pixels - pixel;
  let first = map - min(map, p.before);
  let last = min(map + p.after, p.maps - 1u);`;

function shared(
  { attributes: { size, groups }, shapes }: Context,
  reversed: boolean,
): Record<string, number> {
  const [, channels, height, width] = shapes[0]! as readonly [number, number, number, number];
  const [long, short] = [Math.floor(size / 2), size - 1 - Math.floor(size / 2)];
  return {
    pixels: height * width,
    maps: channels / groups,
    before: reversed ? short : long,
    after: reversed ? long : short,
  };
}

function emitForward(context: Context): void {
  const { alpha, beta, k } = context.attributes;
  const x = context.contiguous(context.inputs[0]!);
  const [y, scale] = context.outputs;
  const element = x.dtype === "f16" ? "f16" : "f32";
  context.dispatch({
    bindings: [
      { name: "x", value: x, element, access: "read" },
      { name: "y", value: y!, element, access: "write" },
      { name: "scale", value: scale!, element, access: "write" },
    ],
    params: shared(context, false),
    floats: { alpha, beta, k },
    functions: POWER,
    body: `${WINDOW}
  var sum = 0.0;
  for (var j = first; j <= last; j++) {
    let a = f32(x(tower + j * p.pixels + pixel));
    sum += a * a;
  }
  let s = p.k + p.alpha * sum;
  set_scale(i, ${element}(s));
  set_y(i, ${element}(f32(x(i)) * power(s, p.beta)));`,
    invocations: sizeOf(context.shapes[0]!),
  });
}

function emitGradient(context: Context): void {
  const { alpha, beta } = context.attributes;
  const [dy, x, scale] = context.inputs.map((view) => context.contiguous(view));
  const element = x!.dtype === "f16" ? "f16" : "f32";
  const length = sizeOf(context.shapes[0]!);
  // What each map's gradient sends to its neighbours, so that it is computed once and not \`size\` times.
  const shares = context.temporary("f32", length);
  const read = (name: string, value: typeof shares, as: "f16" | "f32" = element) =>
    ({ name, value, element: as, access: "read" }) as const;
  context.dispatch({
    bindings: [read("dy", dy!), read("x", x!), read("scale", scale!), {
      name: "shares",
      value: shares,
      element: "f32",
      access: "write",
    }],
    params: {},
    floats: { beta },
    functions: POWER,
    body: "  set_shares(i, f32(dy(i)) * f32(x(i)) * power(f32(scale(i)), p.beta + 1.0));",
    invocations: length,
  });
  const sink = context.sink();
  context.dispatch({
    bindings: [
      read("dy", dy!),
      read("x", x!),
      read("scale", scale!),
      read("shares", shares, "f32"),
      ...sink.bindings,
    ],
    params: { ...shared(context, true), ...sink.params },
    floats: { beta, factor: 2 * alpha * beta },
    functions: `${POWER}\n${sink.functions}`,
    body: `${WINDOW}
  var sum = 0.0;
  for (var j = first; j <= last; j++) { sum += shares(tower + j * p.pixels + pixel); }
  store(i, f32(dy(i)) * power(f32(scale(i)), p.beta) - p.factor * f32(x(i)) * sum);`,
    invocations: length,
  });
}

/** The table of the family. */
export const normalizeKernels: KernelsOf<typeof import("../../../tensor/ops/normalize.ts")> = {
  localResponseNorm: { kind: "dispatch", emit: emitForward } as DispatchKernel<LocalResponseNormAttributes>,
  localResponseNormGradient: {
    kind: "dispatch",
    fuses: true,
    emit: emitGradient,
  } as DispatchKernel<LocalResponseNormAttributes>,
};
