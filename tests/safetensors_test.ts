// safetensors: what is written is read, and whatever is not a whole file is refused in one line.

import fc from "fast-check";
import assert from "node:assert/strict";
import { test } from "node:test";
import { DataError, encodeSafetensors, parseSafetensors, type StoredTensor } from "../data/mod.ts";

const SIZES: Readonly<Record<string, number>> = { F32: 4, F16: 2, I32: 4, U32: 4, U8: 1, BOOL: 1, I64: 8 };

const storedTensor: fc.Arbitrary<StoredTensor> = fc.record({
  dtype: fc.constantFrom(...Object.keys(SIZES)),
  shape: fc.array(fc.nat(4), { maxLength: 4 }),
}).chain(({ dtype, shape }) => {
  const length = shape.reduce((product, extent) => product * extent, SIZES[dtype]!);
  return fc.uint8Array({ minLength: length, maxLength: length }).map((data) => ({ dtype, shape, data }));
});

const names = fc.oneof(
  fc.string({ unit: "binary" }),
  fc.constantFrom("conv1.weight", "__proto__", "0", "\n", '"'),
)
  .filter((name) => name !== "__metadata__" && name.isWellFormed());

const files = fc.record({
  tensors: fc.uniqueArray(fc.tuple(names, storedTensor), { selector: ([name]) => name, maxLength: 5 })
    .map((entries) => new Map(entries)),
  metadata: fc.array(fc.tuple(names, fc.string()), { maxLength: 2 })
    .map((entries): Record<string, string> => Object.fromEntries(entries)),
});

/** A file whose header is any text. */
function fileOf(header: string, data: number): Uint8Array {
  const bytes = new TextEncoder().encode(header);
  const file = new Uint8Array(8 + bytes.length + data);
  new DataView(file.buffer).setBigUint64(0, BigInt(bytes.length), true);
  file.set(bytes, 8);
  return file;
}

function assertRefused(file: Uint8Array, message: RegExp): void {
  assert.throws(() => parseSafetensors(file, "a.safetensors"), (error: unknown) => {
    assert(error instanceof DataError, `${error}`);
    assert.match(error.message, message);
    assert.match(error.message, /^a\.safetensors: [^\n\r]{1,200}$/);
    return true;
  });
}

test("safetensors: what is written is read, at any alignment", () => {
  fc.assert(fc.property(files, fc.nat(7), ({ tensors, metadata }, offset) => {
    const file = encodeSafetensors(tensors, metadata);
    const header = Number(new DataView(file.buffer).getBigUint64(0, true));
    assert.equal(header % 8, 0);
    const moved = new Uint8Array(offset + file.length).subarray(offset);
    moved.set(file);
    const read = parseSafetensors(moved, "a");
    assert.deepEqual(new Map(read.tensors), tensors);
    assert.deepEqual(Object.entries(read.metadata), Object.entries(metadata));
  }));
});

test("safetensors: the bytes that the format's own library writes", () => {
  // safetensors 0.8 in Python: save({"b": zeros(1, float16), "a": array([[1.0, 2.0]], float32)}, {"by": "x"})
  const header = '{"__metadata__":{"by":"x"},"a":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]},' +
    '"b":{"dtype":"F16","shape":[1],"data_offsets":[8,10]}}';
  const file = fileOf(header.padEnd(Math.ceil(header.length / 8) * 8), 10);
  new DataView(file.buffer).setFloat32(file.length - 10, 1, true);
  const { tensors, metadata } = parseSafetensors(file, "a.safetensors");
  assert.deepEqual([...tensors.keys()], ["a", "b"]);
  assert.deepEqual([...tensors.get("a")!.data], [0, 0, 0x80, 0x3f, 0, 0, 0, 0]);
  assert.deepEqual(metadata, { by: "x" });
  assert.deepEqual(encodeSafetensors(tensors, metadata), file);
});

test("safetensors: every truncation is refused", () => {
  fc.assert(
    fc.property(files, ({ tensors, metadata }) => {
      const file = encodeSafetensors(tensors, metadata);
      for (let length = 0; length < file.length; length++) {
        assertRefused(file.subarray(0, length), /truncated|is no safetensors file/);
      }
    }),
    { numRuns: 20 },
  );
});

test("safetensors: a changed byte of the header is refused, or leaves every byte of the data with one tensor", () => {
  fc.assert(
    fc.property(
      files,
      fc.infiniteStream(fc.integer({ min: 1, max: 255 })),
      ({ tensors, metadata }, changes) => {
        const file = encodeSafetensors(tensors, metadata);
        const header = 8 + Number(new DataView(file.buffer).getBigUint64(0, true));
        for (let at = 0; at < header; at++) {
          const changed = file.slice();
          changed[at]! ^= changes.next().value as number;
          try {
            // A name can become another name, and F32 I32: only the checksum beside a checkpoint knows. But nothing else.
            const read = parseSafetensors(changed, "a.safetensors");
            const bytes = [...read.tensors.values()].flatMap(({ data }) => [...data]);
            assert.deepEqual(bytes, [...changed.subarray(header)], `byte ${at}`);
            const again = parseSafetensors(encodeSafetensors(read.tensors, read.metadata), "again");
            assert.deepEqual(again, read);
          } catch (error) {
            assert(error instanceof DataError, `byte ${at}: ${error}`);
            assert.doesNotMatch(error.message, /[\n\r]/);
          }
        }
      },
    ),
    { numRuns: 20 },
  );
});

test("safetensors: what is wrong with a file is said", () => {
  const entry = (dtype: string, shape: unknown, offsets: unknown) =>
    JSON.stringify({ dtype, shape, data_offsets: offsets });
  const a = `"a":${entry("F32", [1], [0, 4])}`;
  const cases: [string, number, RegExp][] = [
    ["[]", 0, /header is no object/],
    ["null", 0, /header is no object/],
    ['{"a', 0, /header is not JSON/],
    ["\ufeff{}", 0, /header is not JSON/],
    [`{${a},${a}}`, 4, /header has "a" twice/],
    [`{${a},"\\u0061":${entry("F32", [1], [4, 8])}}`, 8, /header has "a" twice/],
    ['{"a":{"dtype":"F32","dtype":"I32","shape":[],"data_offsets":[0,4]}}', 4, /header has "dtype" twice/],
    ['{"a":7}', 0, /"a" has the unknown dtype nothing/],
    [`{"a":${entry("F31", [1], [0, 4])}}`, 4, /"a" has the unknown dtype "F31"/],
    [`{"a":${entry("F32", [-1], [0, 4])}}`, 4, /"a" has the shape \[-1\]/],
    [`{"a":${entry("F32", [1.5], [0, 6])}}`, 6, /"a" has the shape \[1\.5\]/],
    [`{"a":${entry("F32", 1, [0, 4])}}`, 4, /"a" has the shape 1/],
    [`{"a":${entry("F32", [2 ** 40, 2 ** 40], [0, 4])}}`, 4, /"a" has 4 bytes, .* wants too many/],
    [`{"a":${entry("F32", [2], [0, 4])}}`, 4, /"a" has 4 bytes, F32 \[2\] wants 8/],
    [`{"a":${entry("F32", [1], [4, 0])}}`, 4, /"a" has -4 bytes/],
    [`{"a":${entry("F32", [1], [0, 4, 8])}}`, 4, /"a" has the place \[0,4,8\]/],
    [`{"a":${entry("F32", [1], ["0", 4])}}`, 4, /"a" has the place/],
    [`{"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0],"x":1}}`, 0, /"a" has an unknown "x"/],
    [`{${a},"b":${entry("F32", [1], [3, 7])}}`, 8, /"b" overlaps the tensor before it/],
    [`{${a},"b":${entry("F32", [1], [5, 9])}}`, 9, /"b" leaves 1 bytes free/],
    [`{${a}}`, 5, /1 bytes after the last tensor belong to none/],
    [`{${a}}`, 3, /truncated: its tensors want 4 bytes, got 3/],
    [`{"__metadata__":{"x":1}}`, 0, /metadata are not all text/],
    [`{"__metadata__":"x"}`, 0, /metadata are not all text/],
    [`{"${"long\\n".repeat(50)}":7}`, 0, /has the unknown dtype/],
  ];
  for (const [header, data, message] of cases) assertRefused(fileOf(header, data), message);
  assertRefused(new Uint8Array(8).fill(255), /its header would be 18446744073709552000 bytes long/);
  assertRefused(Uint8Array.of(1, 2), /is no safetensors file: it has 2 bytes/);
  const invalid = fileOf('{"a?":7}', 0);
  invalid[11] = 0xff;
  assertRefused(invalid, /header is not JSON/);
});

test("safetensors: what cannot be written is refused", () => {
  const encode = (name: string, dtype: string, shape: number[]) => () =>
    encodeSafetensors(new Map([[name, { dtype, shape, data: new Uint8Array(4) }]]));
  assert.throws(encode("a", "F32", [2]), /a: F32 \[2\] wants 8 bytes, got 4 bytes/);
  assert.throws(encode("a", "float", [1]), TypeError);
  assert.throws(encode("a", "F32", [-1]), TypeError);
  assert.throws(encode("__metadata__", "F32", [1]), TypeError);
});
