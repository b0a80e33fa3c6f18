// How fast shards are read: `deno run -A bench/loader.ts --data=DIR [--batch=128] [--seconds=5]`, also with Node and Bun.
// The shards are read once before, so that they are in the page cache if they fit. Each line is one way of reading, so that
// the difference of two is what a part costs.

import { availableParallelism } from "node:os";
import process from "node:process";
import { parseArgs } from "node:util";
import { batches, type Dataset, readShards, shuffledOrder, type Split } from "../data/mod.ts";
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

/** Epochs one after the other until the time is over; `work` gets each batch. */
async function read(
  split: Split,
  shape: Dataset["shape"],
  ahead: number,
  work: (images: Uint8Array) => void,
): Promise<number> {
  const end = performance.now() + 1000 * seconds;
  let images = 0;
  for (let epoch = 1; performance.now() < end; epoch++) {
    const order = await shuffledOrder(key, epoch, split.count);
    for await (const batchRead of batches(split, shape, { batch, order, last: "drop", ahead })) {
      work(batchRead.images);
      images += batch;
      if (performance.now() > end) break;
    }
  }
  return images;
}

async function measure(name: string, run: () => Promise<number> | number): Promise<void> {
  const [began, cpu] = [performance.now(), process.cpuUsage()];
  const images = await run();
  const ms = performance.now() - began;
  const { user, system } = process.cpuUsage(cpu);
  const speed = images / ms * 1000;
  const cores = (user + system) / 1000 / ms;
  const bytes = (speed * size / 1e9).toFixed(2);
  console.log(
    `${name.padEnd(38)} ${speed.toFixed(0).padStart(7)} images/s ${bytes} GB/s on ${cores.toFixed(2)} cores`,
  );
}

const { train, shape } = dataset;
console.log(`${train.count} images of ${shape.join("x")}, ${availableParallelism()} cores`);
await measure("once, for the page cache", async () => {
  for await (const _ of batches(train, shape, { batch, last: "keep" }));
  return train.count;
});
await measure("batches, read ahead and checked", () => read(train, shape, 2, () => {}));
await measure("batches, checked, not read ahead", () => read(train, shape, 0, () => {}));
// What a step's upload does with them, on the same thread.
const target = new Uint8Array(batch * size);
await measure(
  "batches, read ahead, checked, copied",
  () => read(train, shape, 2, (images) => target.set(images)),
);
const crc32 = await loadCrc32();
await measure("the checksums alone", () => {
  const end = performance.now() + 1000 * seconds;
  let images = 0;
  for (; performance.now() < end; images++) {
    const at = images % batch * size;
    crc32(target.subarray(at, at + size));
  }
  return images;
});
await measure("copying in memory alone, one thread", () => {
  const end = performance.now() + 1000 * seconds;
  const other = new Uint8Array(target.length);
  let images = 0;
  for (; performance.now() < end; images += batch) other.set(target);
  return images;
});
dataset.close();
