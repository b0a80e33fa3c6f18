// Downloads: a server breaks off, stalls, refuses ranges, changes the file, and the file is there in the end.

import assert from "node:assert/strict";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { etagOf, type FileServer } from "./file_server.ts";
import { assertFails, at, noise, pack, packed, ranges } from "./place.ts";

test("download: a file is fetched once", () =>
  at(async ({ server, keep, assertKept, lines }) => {
    const seen: [number, number | null][] = [];
    await keep({ progress: (_, received, total) => seen.push([received, total]) });
    await assertKept();
    assert.deepEqual([seen[0], seen.at(-1)], [[0, packed.length], [packed.length, packed.length]]);
    assert(seen.every(([received], i) => i === 0 || received >= seen[i - 1]![0]));
    await keep();
    assert.equal(server.requests.length, 1);
    assert.deepEqual(lines, [`fetching ${server.url}/noise.gz`]);
  }));

test("download: a connection that breaks off goes on where it stopped", () =>
  at(async ({ server, keep, assertKept, lines }) => {
    // Before the head, before the body, in gzip's own header, in the midst, before the last byte.
    const cuts = [0, 1, 4, 100_000, 65_536, packed.length - 165_542];
    server.plan = [{ silent: true }, ...cuts.map((cutAfter) => ({ cutAfter }))];
    await keep();
    await assertKept();
    assert.deepEqual(ranges(server), [null, null, null, 1, 5, 100_005, 165_541, packed.length - 1]);
    assert.deepEqual(server.requests.at(-1)!.condition, etagOf(packed));
    assert.equal(server.sent, packed.length);
    for (const from of [1, 5, 100_005, 165_541, packed.length - 1]) {
      assert(
        lines.some((line) => line.endsWith(` at ${from} of ${packed.length} bytes, trying again`)),
        `${lines}`,
      );
    }
  }));

test("download: any number of breaks, as long as bytes come", () =>
  at(async ({ server, keep, assertKept }) => {
    server.always = { cutAfter: 20_000 };
    await keep({ attempts: 2 });
    await assertKept();
    assert.equal(server.sent, packed.length);
    assert.equal(server.requests.length, Math.ceil(packed.length / 20_000));
  }));

test("download: what has arrived is kept for the next run", () =>
  at(async ({ server, keep, assertKept, names, lines }) => {
    server.plan = [{ cutAfter: 123_456 }];
    server.always = { cutAfter: 0 };
    await assertFails(
      keep(),
      /noise\.gz: the connection failed \([^)]+\), given up after 4 attempts in vain; /,
      new RegExp(
        `; 123456 of ${packed.length} bytes are kept in .*noise\\.gz\\.part, and the next run asks for`,
      ),
    );
    assert.deepEqual(await names(), ["noise.gz.part"]);
    assert.equal(server.requests.length, 5);
    server.always = {};
    await keep();
    await assertKept();
    assert.equal(server.sent, packed.length);
    assert(
      lines.includes(`fetching ${server.url}/noise.gz from 123456 of ${packed.length} bytes on`),
      `${lines}`,
    );
  }));

test("download: a server that is not there", () =>
  at(async ({ server, keep, names }) => {
    await server.close();
    await assertFails(keep(), /noise\.gz: the connection failed \(.+\), given up after 4 attempts in vain$/);
    assert.deepEqual(await names(), []);
  }));

test("download: a server that sends no ranges begins anew", () =>
  at(async ({ server, folder, keep, assertKept }) => {
    server.plan = [{ cutAfter: 200_000 }, { ignoreRange: true }];
    await keep();
    await assertKept();
    assert.deepEqual(ranges(server), [null, 200_000]);
    assert.equal(server.sent, 200_000 + packed.length);
    // Nor does it go on for ever when each answer breaks off.
    const before = server.requests.length;
    server.always = { cutAfter: 200_000, ignoreRange: true };
    await rm(join(folder, "noise"));
    await assertFails(keep(), /given up after 4 attempts in vain; 200000 of/);
    assert.equal(server.requests.length - before, 5);
  }));

test("download: an answer that does not fit the part leads to a new beginning", async () => {
  const shorter = pack(noise(2, 1000));
  const misfits = [
    { start: 199_999 },
    { start: 0 },
    { headers: { "content-range": null } },
    { headers: { "content-range": `bytes 200000-${packed.length - 1}/${packed.length + 1}` } },
    { headers: { etag: '"another"' } },
    { content: shorter, ignoreCondition: true }, // 416
  ];
  for (const misfit of misfits) {
    await at(async ({ server, keep, assertKept }) => {
      server.plan = [{ cutAfter: 200_000 }, misfit];
      await keep();
      await assertKept();
      assert.deepEqual(ranges(server), [null, 200_000, null], JSON.stringify(misfit));
    });
  }
});

test("download: a status is an error, and some are tried again", () =>
  at(async ({ server, folder, keep, assertKept, names }) => {
    for (const status of ["404 Not Found", "403 Forbidden", "410 Gone"]) {
      server.plan = [{ status }];
      await assertFails(keep(), new RegExp(`noise\\.gz: the server answered ${status}$`));
      assert.deepEqual(await names(), []);
    }
    assert.equal(server.requests.length, 3);
    const passing = ["500 Internal Server Error", "503 Service Unavailable", "429 Too Many Requests"];
    server.plan = passing.map((status) => ({ status }));
    await keep();
    await assertKept();
    await rm(join(folder, "noise"));
    server.requests.length = 0;
    server.always = { status: "502 Bad Gateway" };
    await assertFails(keep(), /the server answered 502 Bad Gateway, given up after 4 attempts in vain$/);
    assert.equal(server.requests.length, 4);
  }));

test("download: a redirection is followed, also for the rest", () =>
  at(async ({ server, keep, assertKept }) => {
    const away = { status: "302 Found", headers: { location: "/noise.gz" } };
    server.plan = [away, { cutAfter: 100_000 }, away];
    await keep();
    await assertKept();
    assert.deepEqual(ranges(server), [null, null, 100_000, 100_000]);
  }));

test("download: a connection on which nothing comes is given up", () =>
  at(async ({ server, keep, assertKept, lines }) => {
    server.plan = [{ stallAfter: -1 }, { stallAfter: 0 }, { stallAfter: 50_000 }];
    await keep({ patience: 600 });
    await assertKept();
    assert.deepEqual(ranges(server), [null, null, null, 50_000]);
    assert.equal(lines.filter((line) => line.includes("nothing came for 0.6 s")).length, 3);
  }));

test("download: a server that is slow is waited for", () =>
  at(async ({ server, keep, assertKept }) => {
    server.plan = [{ slow: 80 }];
    await keep({ patience: 1200 });
    await assertKept();
    assert.equal(server.requests.length, 1);
  }));

test("download: a file that changes between break and resumption", async () => {
  const old = pack(noise(2));
  const cut = { content: old, cutAfter: 200_000 };
  await at(async ({ server, keep, assertKept }) => {
    server.plan = [cut];
    await keep();
    await assertKept();
    assert.deepEqual(server.requests.map(({ from, condition }) => [from, condition]), [[null, null], [
      200_000,
      etagOf(old),
    ]]);
  });
  // A weak ETag says nothing about bytes; the date is asked for instead.
  const date = "Mon, 23 Nov 2020 10:00:00 GMT";
  await at(async ({ server, keep, assertKept }) => {
    server.plan = [{ ...cut, headers: { etag: 'W/"1"', "last-modified": date } }];
    await keep();
    await assertKept();
    assert.equal(server.requests[1]!.condition, date);
  });
  // Where nothing tells the two apart, the content does, and the whole is fetched once more.
  const nameless = { headers: { etag: null } };
  const alike = noise(3, packed.length);
  await at(async ({ server, keep, assertKept, lines }) => {
    server.plan = [{ content: alike, cutAfter: 200_000, ...nameless }, nameless, nameless];
    await keep();
    await assertKept();
    assert.deepEqual(ranges(server), [null, 200_000, null]);
    assert(lines.some((line) => line.includes("the parts do not belong together")), `${lines}`);
  });
  await at(async ({ server, keep, names }) => {
    server.always = { content: alike, cutAfter: 200_000, ...nameless };
    await assertFails(keep(), /is not the published noise/);
    assert.equal(server.requests.length, 4);
    assert.deepEqual(await names(), []);
  });
});

test("download: a signal ends it at once, wherever it is", () =>
  at(async ({ server, keep, names }) => {
    const stop = async (behaviour: FileServer["always"], message: RegExp) => {
      server.always = behaviour;
      const controller = new AbortController();
      setTimeout(() => controller.abort(), 300);
      const began = performance.now();
      await assertFails(keep({ signal: controller.signal, pause: 60_000 }), message);
      assert(performance.now() - began < 5000);
    };
    await stop({ stallAfter: -1 }, /^interrupted$/);
    await stop({ silent: true }, /^interrupted$/);
    await stop(
      { stallAfter: 50_000 },
      /^interrupted; 50000 of \d+ bytes are kept in .*noise\.gz\.part, and the next run/,
    );
    await stop({ silent: true }, /^interrupted; 50000 of/);
    assert.deepEqual(await names(), ["noise.gz.part"]);
    await assertFails(keep({ signal: AbortSignal.abort() }), /^interrupted; 50000 of/);
  }));
