/**
 * Parameters and other states as the tensors of a file, and back.
 *
 * @module
 */

import { DataError, type StoredTensor } from "../data/mod.ts";
import { type Device, type DType, type HostArray, type Parameter, tensor } from "../tensor/mod.ts";
import { f16FromBits, f16ToBits } from "../tensor/dtype.ts";
import { sameShape } from "../tensor/shape.ts";

const NAMES = {
  f32: "F32",
  f16: "F16",
  i32: "I32",
  u32: "U32",
  u8: "U8",
  bool: "BOOL",
} as const satisfies Record<DType, string>;

/** How many bytes are read from the device in one go: there is room for them besides what training needs. */
const GROUP_BYTES = 1 << 26;

/** Reads states from the device they are on. Nothing may change them meanwhile. */
export async function readStates(
  states: ReadonlyMap<string, Parameter>,
  device: Device,
): Promise<Map<string, StoredTensor>> {
  const stored = new Map<string, StoredTensor>();
  for (const group of groupsOf([...states])) {
    const contents = group.map(([, state]) => state.snapshot());
    await device.evaluate(contents, true);
    group.forEach(([name, { dtype, shape }], i) => {
      stored.set(name, { dtype: NAMES[dtype], shape, data: bytesOf(contents[i]!.hostData!, dtype) });
    });
  }
  return stored;
}

function groupsOf(states: readonly [string, Parameter][]): [string, Parameter][][] {
  const groups: [string, Parameter][][] = [];
  let bytes = Infinity;
  for (const entry of states) {
    const own = 4 * entry[1].size;
    if (bytes + own > GROUP_BYTES) {
      groups.push([]);
      bytes = 0;
    }
    groups.at(-1)!.push(entry);
    bytes += own;
  }
  return groups;
}

/** The bytes as files have them. Every machine that this runs on is little-endian, as the format is. */
function bytesOf(array: HostArray, dtype: DType): Uint8Array {
  const { buffer, byteOffset, byteLength } = dtype === "f16" ? Uint16Array.from(array, f16ToBits) : array;
  return new Uint8Array(buffer, byteOffset, byteLength);
}

/**
 * Throws unless a file has exactly these states.
 *
 * @param name what messages call the file
 * @param owner what has the states, for messages
 * @throws {DataError} that names the first that is missing, of another shape or dtype, or not wanted.
 */
export function checkStates(
  states: ReadonlyMap<string, Parameter>,
  stored: ReadonlyMap<string, StoredTensor>,
  name: string,
  owner: string,
): void {
  for (const [key, { dtype, shape }] of states) {
    const found = stored.get(key);
    if (found === undefined) throw new DataError(`${name}: has no ${key}, which ${owner} wants`);
    if (found.dtype === NAMES[dtype] && sameShape(found.shape, shape)) continue;
    const [got, wanted] = [
      `${found.dtype} [${found.shape.join(", ")}]`,
      `${NAMES[dtype]} [${shape.join(", ")}]`,
    ];
    throw new DataError(`${name}: ${key} is ${got}, ${owner} wants ${wanted}`);
  }
  const other = [...stored.keys()].find((key) => !states.has(key));
  if (other !== undefined) throw new DataError(`${name}: has ${other}, which ${owner} has not`);
}

/** Queues what a file has as the content of states, which `checkStates` has found to fit. */
export function assignStates(
  states: ReadonlyMap<string, Parameter>,
  stored: ReadonlyMap<string, StoredTensor>,
): void {
  for (const [key, state] of states) {
    const { dtype, shape, device } = state;
    state.assign(tensor(arrayOf(stored.get(key)!.data, dtype), { dtype, shape, device }));
  }
}

function arrayOf(bytes: Uint8Array, dtype: DType): HostArray {
  // At a place of its own: in a file it may be anywhere.
  const { buffer } = Uint8Array.from(bytes);
  switch (dtype) {
    case "f32":
      return new Float32Array(buffer);
    case "f16":
      return Float32Array.from(new Uint16Array(buffer), f16FromBits);
    case "i32":
      return new Int32Array(buffer);
    case "u32":
      return new Uint32Array(buffer);
    case "u8":
    case "bool":
      return new Uint8Array(buffer);
    default:
      return dtype satisfies never;
  }
}
