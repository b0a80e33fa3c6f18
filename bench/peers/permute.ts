/**
 * Moves an array's axes on the host, for a library that wants them in another order.
 *
 * @module
 */

/** The product of the extents. */
export function productOf(shape: readonly number[]): number {
  return shape.reduce((a, b) => a * b, 1);
}

/** The elements in the order of the axes `axes`: the first of them varies slowest. */
export function permute(
  data: Float32Array,
  shape: readonly number[],
  axes: readonly number[],
): Float32Array<ArrayBuffer> {
  const strides = shape.map((_, axis) => productOf(shape.slice(axis + 1)));
  const moved = new Float32Array(data.length);
  let at = 0;
  const walk = (depth: number, from: number) => {
    const axis = axes[depth]!;
    const [extent, stride] = [shape[axis]!, strides[axis]!];
    if (depth === axes.length - 1) {
      for (let i = 0; i < extent; i++) moved[at++] = data[from + i * stride]!;
    } else for (let i = 0; i < extent; i++) walk(depth + 1, from + i * stride);
  };
  walk(0, 0);
  return moved;
}
