// What a sample of an op is: operands described by shape, dtype, filling and view, the options, and which operands have
// gradients. Samples are data, so that a failing one can be printed; devices make tensors of them.

import fc from "fast-check";
import { type Device, type DType, type Shape, type Tensor, tensor } from "../../mod.ts";
import { isFloat } from "../../tensor/dtype.ts";
import { sizeOf } from "../../tensor/shape.ts";
import { type ViewName, VIEWS } from "./views.ts";

/** The dtypes that ops take, as often as they should be drawn: the same cases for devices without f16, which leave those out. */
export const DTYPES: Readonly<Record<"floats" | "signed" | "numbers" | "all", readonly DType[]>> = {
  floats: ["f32", "f32", "f16"],
  signed: ["f32", "f32", "f16", "i32"],
  numbers: ["f32", "f32", "f16", "i32", "u32"],
  all: ["f32", "f32", "f16", "i32", "u32", "u8", "bool"],
};

/**
 * How an operand is filled:
 * integers: -4 to 4, so that sums of products are exact; halves: multiples of 1/2, likewise;
 * floats: magnitudes from 1/4 to 2 of either sign; positive: those; nearOne: 0.84 to 1.19, as much above as below 1, so that products of a thousand stay in range of f16;
 * spread: magnitudes from 2^-12 to 10; positiveSpread: from 2^-12 to 2^12; wide: magnitudes up to 2^34; edges: where integers end; bits: all of a u32; { below }: 0 to below - 1, { around }: those and some out of range; { whole }: from -whole to whole.
 */
export type Fill =
  | "integers"
  | "halves"
  | "floats"
  | "positive"
  | "nearOne"
  | "spread"
  | "positiveSpread"
  | "wide"
  | "edges"
  | "bits"
  | { readonly below: number }
  | { readonly around: number }
  | { readonly whole: number };

/** An operand. */
export interface Input {
  readonly shape: Shape;
  readonly dtype: DType;
  readonly fill: Fill;
  readonly seed: number;
  readonly view: ViewName;
}

/** One sample, as the arbitraries of the families make it. */
export interface Sample<Options> {
  readonly inputs: readonly Input[];
  readonly options: Options;
  /** The operands that are differentiated; left out: those of real numbers. */
  readonly wrt?: readonly number[];
}

/** Makes an operand of an error sample, on the device that is tested or on another one. */
export type Make = (shape: Shape, dtype?: DType, where?: "here" | "elsewhere") => Tensor;

/** A call that has to throw, its sentence and its class. */
export interface ErrorSample {
  readonly call: (make: Make) => unknown;
  readonly error: RegExp;
  readonly name: "TypeError" | "RangeError";
}

/** The error samples of an op; only one that takes any tensor has none. */
export type ErrorSamples = readonly [ErrorSample, ...ErrorSample[]] | "takes any tensor";

/** A sample whose op is known. */
export interface Case {
  readonly text: string;
  readonly inputs: readonly Input[];
  readonly wrt: readonly number[];
  /** What a device has to support besides f32 and integers. */
  readonly needs: readonly DType[];
  readonly call: (inputs: readonly Tensor[]) => readonly Tensor[];
}

/** What the table of samples has for each op. */
export interface OpSamples {
  readonly cases: fc.Arbitrary<Case>;
  readonly errors: ErrorSamples;
  readonly gradient: "differentiable" | "flat";
}

/** Ties an arbitrary to the call of its op; `gradient` says that the op has none. */
export function samplesOf<Options>(
  arbitrary: fc.Arbitrary<Sample<Options>>,
  call: (inputs: readonly Tensor[], options: Options) => Tensor | readonly Tensor[],
  errors: ErrorSamples,
  gradient: "differentiable" | "flat" = "differentiable",
): OpSamples {
  const cases = arbitrary.map(({ inputs, options, wrt }): Case => {
    const text = JSON.stringify({ inputs, options });
    const half = options === "f16" || inputs.some(({ dtype }) => dtype === "f16");
    const real = inputs.flatMap(({ dtype }, i) => isFloat(dtype) ? [i] : []);
    return {
      text,
      inputs,
      wrt: gradient === "flat" ? [] : wrt ?? real,
      needs: half ? ["f16"] : [],
      call(tensors) {
        const made = call(tensors, options);
        return Array.isArray(made) ? made : [made as Tensor];
      },
      [fc.toStringMethod]: () => text,
    } as Case;
  });
  return { cases, errors, gradient };
}

/** A call with operands of a wrong type or shape. */
export function wrong(call: ErrorSample["call"], error: RegExp): ErrorSample {
  return { call, error, name: "TypeError" };
}

/** A call with a value out of range. */
export function outOfRange(call: ErrorSample["call"], error: RegExp): ErrorSample {
  return { call, error, name: "RangeError" };
}

/** A call with operands on two devices: what ops have to find that only gradients make. */
export function apart(call: ErrorSample["call"]): ErrorSample {
  return wrong(call, /: operands are on \w+ and on \w+, move one with to\(\)/);
}

/** An operand on a device: the leaf that holds its numbers, and the view of it that the op is given. */
export function materialise(
  { shape, dtype, fill, seed, view }: Input,
  device: Device,
): { leaf: Tensor; x: Tensor } {
  const { stored, read } = VIEWS[view](shape);
  const leaf = tensor(numbers(sizeOf(stored), dtype, fill, seed), { shape: stored, dtype, device });
  return { leaf, x: read(leaf) };
}

/** A cotangent for a tensor: multiples of 1/2, which keep exact what is exact. */
export function cotangentFor({ shape, dtype, device }: Tensor, seed: number): Tensor {
  return tensor(numbers(sizeOf(shape), dtype, "halves", seed ^ 0x5eed), { shape, dtype, device });
}

/** Numbers at which a conversion to an integer truncates, clamps or both; all are f32. */
const EDGES: readonly number[] = [
  ...[0, 0.5, -0.5, 1.5, -1.5, 254.5, 255, 255.5, 256, 16777217, 2147483520, 2147483648, -2147483648],
  ...[-2147483904, 4294967040, 4294967296, 1e10, -1e10].map(Math.fround),
];

function numbers(count: number, dtype: DType, fill: Fill, seed: number): Float64Array {
  const random = generator(seed);
  const whole = (below: number) => Math.floor(random() * below);
  const sign = () => random() < 0.5 ? -1 : 1;
  const draw = (): number => {
    if (typeof fill === "object") {
      if ("whole" in fill) return whole(2 * fill.whole + 1) - fill.whole;
      return "below" in fill ? whole(fill.below) : whole(fill.around + 3) - 1;
    }
    switch (fill) {
      case "integers":
        return whole(9) - (dtype === "i32" || isFloat(dtype) ? 4 : 0);
      case "halves":
        return (whole(9) - 4) / 2;
      case "floats":
        return sign() * (0.25 + 1.75 * random());
      case "positive":
        return 0.25 + 1.75 * random();
      case "nearOne":
        return sign() * 2 ** (random() / 2 - 0.25);
      case "spread":
        return sign() * 2 ** (random() * 15.3 - 12);
      case "positiveSpread":
        return 2 ** (random() * 24 - 12);
      case "wide":
        return sign() * 2 ** (random() * 40 - 6);
      case "edges":
        return EDGES[whole(EDGES.length)]!;
      case "bits":
        return whole(2 ** 32);
      default:
        return fill satisfies never;
    }
  };
  return Float64Array.from({ length: count }, () => dtype === "bool" ? whole(2) : draw());
}

/** Mulberry32: 32 bits of state are enough for fillings. */
export function generator(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let x = Math.imul(state ^ (state >>> 15), state | 1);
    x ^= x + Math.imul(x ^ (x >>> 7), x | 61);
    return ((x ^ (x >>> 14)) >>> 0) / 2 ** 32;
  };
}
