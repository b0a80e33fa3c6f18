// How large the arrays are that somebody makes: counted where every runtime makes them, in the constructors and in `slice`.

const CONSTRUCTORS = [
  "ArrayBuffer",
  "Uint8Array",
  "Uint8ClampedArray",
  "Int8Array",
  "Uint16Array",
  "Int16Array",
  "Uint32Array",
  "Int32Array",
  "Float32Array",
  "Float64Array",
] as const;

/** The bytes of the largest array that was made while `work` ran; views of memory that was there are none. */
export async function largestArray(work: () => Promise<void>): Promise<number> {
  let largest = 0;
  const note = <T extends { readonly byteLength: number }>(made: T): T => {
    largest = Math.max(largest, made.byteLength);
    return made;
  };
  const global = globalThis as unknown as Record<string, new (...args: unknown[]) => ArrayBufferView>;
  const originals = CONSTRUCTORS.map((name) => [name, global[name]!] as const);
  for (const [name, original] of originals) {
    global[name] = new Proxy(original, {
      construct(target, args) {
        const made = new target(...args);
        return ArrayBuffer.isView(made) && made.buffer === args[0] ? made : note(made);
      },
    });
  }
  const slicers = [ArrayBuffer.prototype, Object.getPrototypeOf(Uint8Array.prototype)] as {
    slice: (...args: unknown[]) => ArrayBuffer;
  }[];
  const slices = slicers.map(({ slice }) => slice);
  slicers.forEach((owner, i) =>
    owner.slice = function (...args) {
      return note(slices[i]!.apply(this, args));
    }
  );
  try {
    await work();
  } finally {
    for (const [name, original] of originals) global[name] = original;
    slicers.forEach((owner, i) => owner.slice = slices[i]!);
  }
  return largest;
}
