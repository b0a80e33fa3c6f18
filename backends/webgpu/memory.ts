/**
 * Device memory: buffers of the workspace, which all plans share because they run one after the other, buffers that
 * outlive an evaluation, and staging buffers for reading back. Everything is pooled, so a loop allocates nothing.
 *
 * @module
 */

import type { Storage } from "../../tensor/device.ts";
import type { Turns } from "./turns.ts";

const STORAGE = 0x80 | 0x40 | 0x08 | 0x04; // STORAGE | UNIFORM | COPY_DST | COPY_SRC
const STAGING = 0x01 | 0x08; // MAP_READ | COPY_DST

/** Device memory with an owner, a state or an evaluated tensor: the tensors' `Device` releases what has none any more. */
export class BufferStorage implements Storage {
  /** The buffer, null once released. */
  buffer: GPUBuffer | null;
  readonly #release: (buffer: GPUBuffer) => void;

  /** Takes the buffer over; `release` gives it back. */
  constructor(buffer: GPUBuffer, release: (buffer: GPUBuffer) => void) {
    this.buffer = buffer;
    this.#release = release;
  }

  /** Gives the buffer back. */
  release(): void {
    if (this.buffer === null) return;
    this.#release(this.buffer);
    this.buffer = null;
  }
}

/** The buffers of one device. */
export class Memory {
  readonly #device: GPUDevice;
  readonly #free: Map<string, GPUBuffer[]> = new Map();
  #freeBytes = 0;
  readonly #workspace: { readonly buffer: GPUBuffer; users: number }[] = [];
  readonly #turns: Turns;
  /** How many buffers exist, and their bytes. */
  readonly live: { buffers: number; bytes: number } = { buffers: 0, bytes: 0 };
  /** Called before a buffer is made, for tests that count. */
  onCreate: ((label: string, bytes: number) => void) | null = null;

  /** Called before a state's buffer is destroyed: plans that use it are of no use any more. */
  onStateGone: ((buffer: GPUBuffer) => void) | null = null;

  /** What waits in `turns` may still use what is given back. */
  constructor(device: GPUDevice, turns: Turns) {
    this.#device = device;
    this.#turns = turns;
  }

  /** A buffer of a plan's own. */
  create(label: string, bytes: number, usage: GPUBufferUsageFlags = STORAGE): GPUBuffer {
    this.onCreate?.(label, bytes);
    const buffer = this.#device.createBuffer({
      label,
      size: Math.max(16, Math.ceil(bytes / 16) * 16),
      usage,
    });
    this.live.buffers++;
    this.live.bytes += buffer.size;
    return buffer;
  }

  /** Destroys a buffer. */
  destroy(buffer: GPUBuffer): void {
    this.live.buffers--;
    this.live.bytes -= buffer.size;
    buffer.destroy();
  }

  /** Memory that comes back when it is released. */
  storage(label: string, bytes: number): BufferStorage {
    return new BufferStorage(
      this.#take(label, bytes, "storage", STORAGE),
      (buffer) => this.#turns.do(() => this.#recycle(buffer, "storage")),
    );
  }

  /** Destroys the memory of a storage instead of keeping it for the next who asks. */
  discard(storage: BufferStorage): void {
    if (storage.buffer === null) return;
    this.destroy(storage.buffer);
    storage.buffer = null;
  }

  /** Memory of a state: its own buffer, zeroed, destroyed when it is released. */
  state(label: string, bytes: number): BufferStorage {
    return new BufferStorage(this.create(label, bytes), (buffer) =>
      this.#turns.do(() => {
        this.onStateGone?.(buffer);
        this.destroy(buffer);
      }));
  }

  /** Makes sure that `count` staging buffers of this size are there, small ones only. */
  reserveStaging(bytes: number, count: number): void {
    if (bytes === 0 || bytes > 1 << 12) return;
    const reserved = Array.from({ length: count }, () => this.staging(bytes));
    for (const buffer of reserved) this.returnStaging(buffer);
  }

  /** A staging buffer; give it back unmapped. */
  staging(bytes: number): GPUBuffer {
    return this.#take("read back", bytes, "staging", STAGING);
  }

  /** Gives a staging buffer back. */
  returnStaging(buffer: GPUBuffer): void {
    this.#recycle(buffer, "staging");
  }

  /**
   * Finds buffers for a plan's slots in the workspace, of at least the given sizes; makes those that are missing.
   * Labels say which op needs the slot first.
   */
  workspace(slots: readonly { readonly bytes: number; readonly label: string }[]): GPUBuffer[] {
    const taken = new Set<GPUBuffer>();
    const order = [...slots.keys()].sort((a, b) => slots[b]!.bytes - slots[a]!.bytes);
    const found = new Array<GPUBuffer>(slots.length);
    for (const i of order) {
      const { bytes, label } = slots[i]!;
      const fits = this.#workspace.filter(({ buffer }) => buffer.size >= bytes && !taken.has(buffer));
      let entry = fits.sort((a, b) => a.buffer.size - b.buffer.size)[0];
      if (entry === undefined) {
        entry = { buffer: this.create(label, bytes), users: 0 };
        this.#workspace.push(entry);
      }
      entry.users++;
      taken.add(entry.buffer);
      found[i] = entry.buffer;
    }
    return found;
  }

  /** The bytes of the workspace of all plans. */
  get workspaceBytes(): number {
    return this.#workspace.reduce((bytes, { buffer }) => bytes + buffer.size, 0);
  }

  /** Gives a plan's workspace back; buffers that no plan uses any more are destroyed. */
  returnWorkspace(buffers: readonly GPUBuffer[]): void {
    for (const buffer of buffers) {
      const index = this.#workspace.findIndex((entry) => entry.buffer === buffer);
      if (--this.#workspace[index]!.users === 0) this.destroy(this.#workspace.splice(index, 1)[0]!.buffer);
    }
  }

  #take(label: string, bytes: number, kind: string, usage: GPUBufferUsageFlags): GPUBuffer {
    const size = sizeClass(bytes);
    const free = this.#free.get(`${kind}${size}`)?.pop();
    if (free) this.#freeBytes -= free.size;
    return free ?? this.create(label, size, usage);
  }

  /** Keeps a buffer for the next who asks for its size, within reason. */
  #recycle(buffer: GPUBuffer, kind: string): void {
    if (this.#freeBytes + buffer.size > MAX_FREE_BYTES) return this.destroy(buffer);
    const key = `${kind}${buffer.size}`;
    const list = this.#free.get(key) ?? [];
    list.push(buffer);
    this.#free.set(key, list);
    this.#freeBytes += buffer.size;
  }
}

/** The most bytes that are kept for whoever asks next. */
const MAX_FREE_BYTES = 1 << 26;

/** Sizes of pooled buffers: powers of two while small, then multiples of 64 KiB, so that few sizes serve all. */
function sizeClass(bytes: number): number {
  const step = 1 << 16;
  return bytes <= step ? Math.max(256, 2 ** Math.ceil(Math.log2(bytes))) : Math.ceil(bytes / step) * step;
}

/** The buffer behind a storage of this backend. */
export function bufferOfStorage(storage: Storage): GPUBuffer {
  if (!(storage instanceof BufferStorage)) {
    throw new TypeError("webgpu: the memory belongs to another backend");
  }
  if (storage.buffer === null) throw new TypeError("webgpu: the tensor's memory was released by dispose()");
  return storage.buffer;
}
