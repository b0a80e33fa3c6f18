// `--full`: four files that are fetched and kept, where they are kept, and what the command line says of it. A server has
// the embedded subset under the published names; the files that the command line wants are too big for a test.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { gunzipSync } from "node:zlib";
import { cacheFolder } from "../../data/cache.ts";
import type { KnownFile } from "../../data/known_file.ts";
import { DataError, fashionMnist, fetchFashionMnist } from "../../data/mod.ts";
import { makeProgressLine } from "../../train/mod.ts";
import { type FileServer, serve } from "./file_server.ts";
import { type Outcome, root, runtime, start, type StartOptions } from "./start.ts";

const NAMES = [
  "train-images-idx3-ubyte",
  "train-labels-idx1-ubyte",
  "t10k-images-idx3-ubyte",
  "t10k-labels-idx1-ubyte",
];
const served: Record<string, Uint8Array> = {};
const files: KnownFile[] = [];
for (const name of NAMES) {
  const packed = new Uint8Array(await readFile(join(root, `data/fashion_mnist/${name}.gz`)));
  const content = gunzipSync(packed);
  served[`/${name}.gz`] = packed;
  files.push({ name, size: content.length, sha256: createHash("sha256").update(content).digest("hex") });
}
const [images] = Object.values(served) as [Uint8Array];
const total = Object.values(served).reduce((sum, { length }) => sum + length, 0);

/** Runs a test with a server that has the files, and a folder. */
async function withServer(work: (server: FileServer, folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "fermi-full-"));
  const server = await serve(served);
  try {
    await work(server, folder);
  } finally {
    await server.close();
    await rm(folder, { recursive: true });
  }
}

/** Resolves when a server has sent so many bytes, and they have had time to be written. */
async function sent(server: FileServer, bytes: number): Promise<void> {
  while (server.sent < bytes) await sleep(20);
  await sleep(300);
}

test("full: four files are fetched, and read as the dataset", () =>
  withServer(async (server, folder) => {
    const cache = join(folder, "a", "b");
    const lines: string[] = [];
    const options = {
      url: `${server.url}/`,
      cache,
      files,
      pause: 1,
      log: (line: string) => lines.push(line),
    };
    server.plan = [{ cutAfter: 1_000_000 }, { cutAfter: 1_000_000 }];
    assert.equal(await fetchFashionMnist(options), cache);
    assert.deepEqual((await readdir(cache)).sort(), [...NAMES].sort());
    assert.equal(server.sent, total);
    assert.deepEqual(server.requests.map(({ path, from }) => [path.slice(1, -3), from]), [
      [NAMES[0], null],
      [NAMES[0], 1_000_000],
      [NAMES[0], 2_000_000],
      ...NAMES.slice(1).map((name) => [name, null]),
    ]);
    assert.equal(lines[0], `Fashion-MNIST is kept in ${cache}`);
    assert.deepEqual(
      lines.filter((line) => line.startsWith("fetching")),
      NAMES.map((name) => `fetching ${server.url}/${name}.gz`),
    );
    const [fetched, embedded] = [await fashionMnist({ folder: cache }), await fashionMnist()];
    for (const part of ["train", "test"] as const) {
      assert.equal(fetched[part].count, embedded[part].count);
      const last = fetched[part].count - 1;
      assert.equal(fetched[part].label(last), embedded[part].label(last));
    }

    // Nothing is asked for again, but what is damaged.
    lines.length = 0;
    await fetchFashionMnist(options);
    assert.deepEqual([server.requests.length, lines.length], [6, 1]);
    await writeFile(join(cache, NAMES[3]!), "damaged");
    await fetchFashionMnist({ ...options, url: `${server.url}?token=1` });
    assert.equal(server.requests.length, 7);
    assert.equal(server.requests[6]!.path, `/${NAMES[3]}.gz?token=1`);
  }));

test("full: a process that is killed leaves what the next one needs", () =>
  withServer(async (server, folder) => {
    server.always = { slow: 5 };
    const killed = await start("tests/program/fetch_child.ts", [server.url, folder, JSON.stringify(files)], {
      deno: ["run", "-q", "-A", "--no-check"],
      kill: sent(server, 600_000).then(() => "SIGKILL" as const),
    });
    assert.equal(killed.signal, "SIGKILL", JSON.stringify(killed));
    assert.deepEqual(await readdir(folder), [`${NAMES[0]}.gz.part`]);
    const requests = server.requests.length;
    const before = server.sent;
    server.always = {};
    await fetchFashionMnist({ url: server.url, cache: folder, files });
    assert.deepEqual((await readdir(folder)).sort(), [...NAMES].sort());
    const from = server.requests[requests]!.from!;
    assert(from >= 600_000 && from <= before && from < images.length, `${from}, ${before}`);
    assert.equal(server.sent - before, total - from);
  }));

test("full: two processes at once", () =>
  withServer(async (server, folder) => {
    server.plan = [{ slow: 4 }, { cutAfter: 1_500_000 }];
    const child = () =>
      start("tests/program/fetch_child.ts", [server.url, folder, JSON.stringify(files)], {
        deno: ["run", "-q", "-A", "--no-check"],
      });
    const outcomes = await Promise.all([child(), child()]);
    for (const outcome of outcomes) assert.deepEqual([outcome.code, outcome.stderr], [0, ""]);
    assert.deepEqual((await readdir(folder)).sort(), [...NAMES].sort());
    const requests = server.requests.length;
    await fetchFashionMnist({ url: server.url, cache: folder, files });
    assert.equal(server.requests.length, requests);
  }));

test("full: a cache folder that cannot be is one line", () =>
  withServer(async (server, folder) => {
    await writeFile(join(folder, "plain"), "");
    const cache = join(folder, "plain", "fermi");
    await assert.rejects(fetchFashionMnist({ url: server.url, cache, files }), (error: unknown) => {
      assert(error instanceof DataError);
      assert.match(error.message, /plain.fermi: cannot be used as a cache \((ENOTDIR|EEXIST)\)$/);
      return true;
    });
    assert.equal(server.requests.length, 0);
  }));

test("cache: where each platform has it", async () => {
  const cases: [string, Record<string, string>, string][] = [
    ["linux", { HOME: "/home/ada" }, "/home/ada/.cache/fermi/x"],
    ["freebsd", { HOME: "/home/ada" }, "/home/ada/.cache/fermi/x"],
    ["linux", { HOME: "/home/ada", XDG_CACHE_HOME: "/fast" }, "/fast/fermi/x"],
    ["linux", { HOME: "/home/ada", XDG_CACHE_HOME: "relative" }, "/home/ada/.cache/fermi/x"],
    ["linux", { HOME: "/home/ada", XDG_CACHE_HOME: "" }, "/home/ada/.cache/fermi/x"],
    ["linux", { XDG_CACHE_HOME: "/fast" }, "/fast/fermi/x"],
    ["darwin", { HOME: "/Users/ada" }, "/Users/ada/Library/Caches/fermi/x"],
    ["win32", { LOCALAPPDATA: "C:\\Users\\ada\\Local", HOME: "/c" }, "C:\\Users\\ada\\Local\\fermi\\x"],
    ["win32", { LOCALAPPDATA: "C:\\a", XDG_CACHE_HOME: "D:\\b" }, "D:\\b\\fermi\\x"],
  ];
  for (const [platform, env, expected] of cases) {
    assert.equal(await cacheFolder("x", { platform, env }), expected);
  }
  await assert.rejects(
    cacheFolder("x", { platform: "linux", env: { HOME: "home" } }),
    /no cache folder: neither XDG_CACHE_HOME nor HOME is an absolute path/,
  );
  await assert.rejects(cacheFolder("x", { platform: "win32", env: {} }), /nor LOCALAPPDATA is/);
});

test("progress line: rewritten at a terminal, absent elsewhere", () => {
  const write = (isTTY: boolean, quiet: boolean) => {
    let text = "";
    const line = makeProgressLine({ isTTY, columns: 40, write: (more) => text += more }, { quiet });
    line.log("one");
    line.progress("http://a/b/c.gz", 1_250_000, 26_421_880);
    line.progress("http://a/b/c.gz", 1_260_000, 26_421_880);
    line.log("two");
    line.progress("http://a/b/and-a-name-that-is-long.gz", 0, null);
    line.clear();
    line.clear();
    return text;
  };
  assert.equal(write(false, false), "one\ntwo\n");
  assert.equal(write(false, true) + write(true, true), "");
  const [rewrite, long] = ["\r\x1b[K", "and-a-name-that-is-long.gz: 0.0 MB"];
  assert.equal(
    write(true, false),
    `one\n${rewrite}c.gz: 1.3 of 26.4 MB${rewrite}two\n${rewrite}${long}${rewrite}`,
  );
});

/** Runs `train.ts --full` with a cache of its own. */
async function full(folder: string, args: readonly string[], more: StartOptions = {}): Promise<Outcome> {
  const deno = ["run", "-q", "-P=full", "--allow-net=127.0.0.1", "--no-check"];
  return await start("train.ts", ["--full", ...args], { deno, env: { XDG_CACHE_HOME: folder }, ...more });
}

const kept = (folder: string) => readdir(join(folder, "fermi/fashion-mnist"));

test("cli: --full against servers that do not have the files", () =>
  withServer(async (server, folder) => {
    const [mirror, url] = [`--mirror=${server.url}`, `${server.url}/${NAMES[0]}.gz`];
    const where = `Fashion-MNIST is kept in ${join(folder, "fermi/fashion-mnist")}\nfetching ${url}\n`;
    // The subset's images are not the published ones.
    const wrong = await full(folder, [mirror]);
    assert.deepEqual([wrong.code, wrong.stdout], [1, ""], wrong.stderr);
    const error = `error: ${url}: is not the published ${NAMES[0]}: it has 4704016 bytes, wants 47040016\n`;
    assert.equal(wrong.stderr, where + error);
    assert.deepEqual(await kept(folder), []);
    const quiet = await full(folder, [mirror, "--quiet"]);
    assert.deepEqual([quiet.code, quiet.stdout, quiet.stderr], [1, "", error]);

    server.always = { status: "404 Not Found" };
    const missing = await full(folder, [mirror, "--json"]);
    assert.deepEqual([missing.code, missing.stdout], [1, ""]);
    assert.equal(missing.stderr, `${where}error: ${url}: the server answered 404 Not Found\n`);

    await server.close();
    const absent = await full(folder, [mirror, "--quiet"]);
    assert.deepEqual([absent.code, absent.stdout], [1, ""]);
    assert.match(
      absent.stderr,
      /^error: http:[^\n]+: the connection failed \([^\n]+\), given up after 4[^\n]+\n$/,
    );
    assert.deepEqual(await kept(folder), []);
  }));

test("cli: Ctrl-C ends a download at once, and what has arrived stays", () =>
  withServer(async (server, folder) => {
    server.always = { stallAfter: 700_000 };
    const { code, stdout, stderr } = await full(folder, [`--mirror=${server.url}`, "--quiet"], {
      kill: sent(server, 700_000).then(() => "SIGINT" as const),
    });
    const part = join(folder, "fermi/fashion-mnist", `${NAMES[0]}.gz.part`);
    const message =
      `700000 of ${images.length} bytes are kept in ${part}, and the next run asks for the rest`;
    assert.deepEqual([code, stdout, stderr], [1, "", `error: interrupted; ${message}\n`]);
    assert.deepEqual(await kept(folder), [`${NAMES[0]}.gz.part`]);
  }));

test("cli: what does not go with --full is one line and exit code 2, before anything is fetched", () =>
  withServer(async (server, folder) => {
    const mirror = `--mirror=${server.url}`;
    await mkdir(join(folder, "images"));
    const cases: [string[], RegExp][] = [
      [
        ["--full", mirror, `--data=${join(folder, "images")}`],
        /--full and --data both say where the images are/,
      ],
      [
        ["--full", mirror, "--dataset=synthetic"],
        /--full belongs to --dataset=fashion-mnist, not to synthetic/,
      ],
      [["--full", mirror, "--model=alexnet"], /alexnet takes 3x224x224 images/],
      [["--full", mirror, "--limit=10"], /10 training images do not fill a batch of 32/],
      [[mirror], /--mirror says where --full fetches from/],
      [["--full", "--mirror=ftp://127.0.0.1/"], /It must be an http or https URL/],
      [["--full", "--mirror=nowhere"], /It must be an http or https URL/],
      [["--full", "--mirror="], /It must be an http or https URL/],
    ];
    for (const [args, message] of cases) {
      const { code, stdout, stderr } = await start("train.ts", args);
      assert.deepEqual([code, stdout], [2, ""], `${args}: ${stderr}`);
      assert.match(stderr, /^error: [^\n]+\n$/);
      assert.match(stderr, message);
    }
    if (runtime === "deno") {
      const { code, stdout, stderr } = await start("train.ts", ["--full", mirror]);
      assert.deepEqual([code, stdout], [1, ""]);
      assert.match(stderr, /^error: [^\n]*deno run -P=full[^\n]*\n$/);
    }
    assert.equal(server.requests.length, 0);
  }));
