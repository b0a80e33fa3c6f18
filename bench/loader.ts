// How fast shards are read: `deno run -A bench/loader.ts --data=DIR [--batch=128] [--seconds=5]`, also with Node and Bun.
// The shards are read once before, so that they are in the page cache if they fit. Each line is one way of reading, so that
// the difference of two is what a part costs; it gives the fastest of some seconds, and how many cores were at work in it.

import { availableParallelism } from "node:os";
import process from "node:process";
import { parseArgs } from "node:util";
import { batches, readShards, shuffledOrder } from "../data/mod.ts";
import { loadCrc32 } from "../data/shards/crc.ts";
import { device, randomKey } from "../mod.ts";

const { values } = parseArgs({
  options: {
    data: { type: "string" },
    batch: { type: "string", default: "128" },
    seconds: { type: "string", default: "5" },
  },
});
if (values.data === undefined) {
  console.error("error: --data wants a folder of shards");
  process.exit(2);
}
const dataset = await readShards(values.data);
const [batch, seconds] = [Number(values.batch), Number(values.seconds)];
const key = randomKey(1, { device: await device("cpu") });
const size = dataset.shape.reduce((product, extent) => product * extent, 1);

/** Carries work out again and again; it says how many images each time were. */
async function measure(name: string, work: () => AsyncGenerator<number, void, void>): Promise<void> {
  let best = { speed: 0, cores: 0 };
  let [began, cpu, images] = [performance.now(), process.cpuUsage(), 0];
  let second = 0;
  for await (const count of work()) {
    images += count;
    const ms = performance.now() - began;
    if (ms < 1000) continue;
    const { user, system } = process.cpuUsage(cpu);
    const speed = images / ms * 1000;
    if (speed > best.speed) best = { speed, cores: (user + system) / 1000 / ms };
    [began, cpu, images] = [performance.now(), process.cpuUsage(), 0];
    if (++second >= seconds) break;
  }
  const { speed, cores } = best;
  const bytes = (speed * size / 1e9).toFixed(2);
  console.log(
    `${name.padEnd(36)} ${speed.toFixed(0).padStart(7)} images/s, ${bytes} GB/s, ${cores.toFixed(2)} cores`,
  );
}

/** Epochs one after the other; `use` gets each batch. */
async function* epochs(ahead: number, use: (images: Uint8Array) => void): AsyncGenerator<number, void, void> {
  for (let epoch = 1;; epoch++) {
    const order = await shuffledOrder(key, epoch, train.count);
    for await (const { images } of batches(train, shape, { batch, order, last: "drop", ahead })) {
      use(images);
      yield batch;
    }
  }
}

/** The same again and again, on this thread. */
async function* again(count: number, work: () => void): AsyncGenerator<number, void, void> {
  for (;;) {
    work();
    yield count;
  }
}

const { train, shape } = dataset;
console.log(`${train.count} images of ${shape.join("x")}, ${availableParallelism()} cores`);
for await (const _ of batches(train, shape, { batch, last: "keep" }));
await measure("batches, read ahead and checked", () => epochs(2, () => {}));
await measure("batches, checked, not read ahead", () => epochs(0, () => {}));
// What a step's upload does with them, on the same thread.
const target = new Uint8Array(batch * size);
await measure("batches, read ahead, checked, copied", () => epochs(2, (images) => target.set(images)));
const crc32 = await loadCrc32();
await measure("the checksums alone", () => again(1, () => crc32(target.subarray(0, size))));
const other = new Uint8Array(target.length);
await measure("copying in memory, one thread", () => again(batch, () => other.set(target)));
dataset.close();
