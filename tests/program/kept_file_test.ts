// What a folder keeps: the right file or nothing, whatever was sent, left over or written at the same time.

import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { readdir, rm, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { keepFile, sweep } from "../../data/known_file.ts";
import { etagOf } from "./file_server.ts";
import { assertFails, at, content, file, noise, pack, packed, ranges, sha256, SIZE } from "./place.ts";

test("kept file: a wrong file is an error, and is not kept", () =>
  at(async ({ server, keep, names }) => {
    const other = noise(2);
    const damaged = packed.map((byte, i) => i === 150_000 ? byte ^ 1 : byte);
    const cases: [Uint8Array, RegExp][] = [
      [pack(other), new RegExp(`: its SHA-256 is ${sha256(other)}, wants ${file.sha256}$`)],
      [pack(noise(1, SIZE - 1)), /: it has 299999 bytes, wants 300000$/],
      [pack(noise(1, SIZE + 1)), /: it has more than 300000 bytes$/],
      [new TextEncoder().encode("<h1>Welcome</h1>"), /: it has 16 bytes, wants 300000$/],
      [new Uint8Array(0), /: it has 0 bytes, wants 300000$/],
      [packed.subarray(0, 200_000), /: the gzip data are damaged or truncated \(.+\)$/],
      [packed.subarray(0, 5), /: the gzip data are damaged or truncated \(.+\)$/],
      [damaged, /: (the gzip data are damaged or truncated|its SHA-256 is)/],
    ];
    for (const [wrong, message] of cases) {
      server.requests.length = 0;
      server.plan = [{ content: wrong }];
      await assertFails(keep(), /^http:\/\/127.*noise\.gz: is not the published noise: /, message);
      assert.deepEqual([server.requests.length, await names()], [1, []]);
    }
  }));

test("kept file: no more is fetched than the file can have", () =>
  at(async ({ server, keep, names }) => {
    const endless = noise(1, 2_000_000);
    server.plan = [{ content: endless }, { content: endless, headers: { "content-length": null } }];
    await assertFails(keep(), /noise\.gz: has 2000000 bytes, wants no more than 301324$/);
    await assertFails(keep(), /noise\.gz: has more than 301324 bytes$/);
    assert.deepEqual(await names(), []);
  }));

test("kept file: any packing will do, and none", () =>
  at(async ({ server, folder, keep, assertKept }) => {
    const answers = [
      { content: pack(content, 0) },
      { content },
      { headers: { "content-length": null } },
      // Runtimes differ in who unpacks it.
      { headers: { "content-encoding": "gzip" } },
    ];
    for (const answer of answers) {
      server.plan = [answer];
      await keep();
      await assertKept();
      await rm(join(folder, "noise"));
    }
  }));

test("kept file: two at once, each with breaks, in step and out of step", async () => {
  for (const ignoreRange of [false, true]) {
    for (const delay of [0, 30, 80]) {
      await at(async ({ server, keep, assertKept }) => {
        server.plan = [{ cutAfter: 160_000, slow: 5 }, { cutAfter: 90_000, slow: 5, ignoreRange }];
        server.always = { slow: 5, ignoreRange };
        const first = keep();
        await new Promise((resolve) => setTimeout(resolve, delay));
        await Promise.all([first, keep(), keep()]);
        await assertKept();
      });
    }
  }
});

test("kept file: a damaged file in the cache is fetched again", () =>
  at(async ({ server, folder, keep, assertKept, lines }) => {
    const path = join(folder, "noise");
    const flipped = content.map((byte, i) => i === 4321 ? byte ^ 4 : byte);
    for (
      const [damaged, flaw] of [[flipped, "its SHA-256 is"], [content.subarray(1), "it has 299999"]] as const
    ) {
      lines.length = 0;
      await writeFile(path, damaged);
      await keep();
      await assertKept();
      assert.match(lines[0]!, new RegExp(`noise: is damaged \\(${flaw} .*\\), fetching it again$`));
    }
    // It is gone also when the other one cannot be had.
    await writeFile(path, flipped);
    server.always = { status: "404 Not Found" };
    await assertFails(keep(), /404/);
    assert.deepEqual(await readdir(folder), []);
  }));

test("kept file: parts that cannot be used, and a whole one that can", () =>
  at(async ({ server, folder, keep, assertKept }) => {
    const part = join(folder, "noise.gz.part");
    const good = { url: `${server.url}/noise.gz`, validator: etagOf(packed), length: packed.length };
    const head = (changed: object) =>
      new TextEncoder().encode(`${JSON.stringify({ ...good, ...changed })}\n`);
    const unusable = [
      new Uint8Array(0),
      noise(3, 10_000),
      new TextEncoder().encode("null\n"),
      new TextEncoder().encode('{"url":'),
      head({}),
      head({ url: 5 }),
      Buffer.concat([head({ url: "http://elsewhere.example/noise.gz" }), packed.subarray(0, 1000)]),
      Buffer.concat([head({ length: null }), packed.subarray(0, 1000)]),
    ];
    for (const bytes of unusable) {
      await writeFile(part, bytes);
      await keep();
      await assertKept();
      await rm(join(folder, "noise"));
    }
    assert(ranges(server).every((from) => from === null));
    server.requests.length = 0;
    // Killed after the last byte had come, or after the file had been renamed.
    await writeFile(part, Buffer.concat([head({}), packed]));
    await keep();
    await assertKept();
    await writeFile(part, Buffer.concat([head({}), packed]));
    await keep();
    await assertKept();
    assert.equal(server.requests.length, 0);
    // Whole, but not right.
    await rm(join(folder, "noise"));
    await writeFile(part, Buffer.concat([head({}), noise(3, packed.length)]));
    await keep();
    await assertKept();
    assert.deepEqual(ranges(server), [null]);
  }));

test("kept file: only old leftovers are swept", () =>
  at(async ({ folder, names }) => {
    const old = new Date(Date.now() - 120_000);
    for (const name of ["noise.1.tmp", "noise.2.tmp", "other.1.tmp", "noise.gz.part"]) {
      await writeFile(join(folder, name), "");
      if (name !== "noise.2.tmp") await utimes(join(folder, name), old, old);
    }
    await sweep(folder, [file]);
    assert.deepEqual(await names(), ["noise.2.tmp", "noise.gz.part", "other.1.tmp"]);
  }));

test("kept file: a folder that cannot be written to is one line", () =>
  at(async ({ server, folder }) => {
    await writeFile(join(folder, "plain"), "");
    const inside = join(folder, "plain", "below");
    await assertFails(keepFile(file, `${server.url}/noise.gz`, inside), /noise: cannot be read \(ENOTDIR\)$/);
    const nowhere = join(folder, "nowhere");
    await assertFails(
      keepFile(file, `${server.url}/noise.gz`, nowhere),
      /noise\.gz\.part: cannot be written \(ENOENT\)$/,
    );
  }));
