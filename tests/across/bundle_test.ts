// The bundle for a page is small, and what was taken out of it computes nothing: steps of training give the same bits with
// it as with the sources.

import { build } from "esbuild";
import assert from "node:assert/strict";
import { mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { pathToFileURL } from "node:url";
import { gzipSync } from "node:zlib";
import { minify } from "terser";
import * as sources from "../../mod.ts";
import { bundle, compacting } from "../../scripts/bundle.ts";
import { Naming, placeholder } from "../../scripts/alike.ts";
import { compact } from "../../scripts/compact.ts";
import { withPlainNamespaces } from "../../scripts/namespaces.ts";
import { neighbourly } from "../../scripts/neighbours.ts";
import { ordered } from "../../scripts/order.ts";
import { squeeze } from "../../scripts/squeeze.ts";
import { type Quoting, withTemplates } from "../../scripts/quotes.ts";
import "../kept.ts";
import { root, run } from "./runtimes.ts";

/** What was asked for. The names depend on what gzip makes of them, so another zlib may end some bytes beside this one. */
const MOST_BYTES = 45_000;

const AS_IT_IS = { module: true, ecma: 2020, compress: false, mangle: false } as const;

const files = await bundle();
const [{ code }, ...onDemand] = files;

/** `fermi.js` has all exports of mod.ts; the files beside it come when a GPU that is no processor, tuning or Dawn asks for them. */
test("bundle: fermi.js, with both backends, takes less than 45 kB gzipped, and what comes on demand is told", () => {
  const sizeOf = (text: string) => gzipSync(text, { level: 9 }).length;
  const bytes = sizeOf(code);
  const others = onDemand.map(({ name, code }) => ({ name, bytes: sizeOf(code) }));
  const total = others.reduce((sum, { bytes }) => sum + bytes, bytes);
  console.log(`fermi.js: ${code.length} bytes minified, ${bytes} gzipped`);
  console.log(
    `on demand: ${others.map(({ name, bytes }) => `${name} ${bytes}`).join(", ")}; ${total} in all`,
  );
  assert(bytes < MOST_BYTES, `${bytes} bytes`);
  assert.deepEqual(others.map(({ name }) => name), ["fermi.gpu.js", "fermi.tune.js", "fermi.dawn.js"]);
});

/** Losses of a few steps of a network with convolutions, normalisation, both poolings, dropout and layers of all kinds. */
async function losses(fermi: typeof sources, where: "cpu" | "webgpu"): Promise<number[]> {
  const device = await fermi.device(where);
  const { nn } = fermi;
  const key = fermi.randomKey(3, { device });
  const keys = [0, 1, 2].map((i) => fermi.foldIn(key, i));
  const network = new nn.Sequential({
    conv: new nn.Conv2d(2, 8, { window: 3, padding: 1, groups: 2, key: keys[0]! }),
    relu: new nn.ReLU(),
    norm: new nn.LocalResponseNorm(),
    max: new nn.MaxPool2d({ window: 3, stride: 2 }),
    wide: new nn.Conv2d(8, 8, { window: 3, key: keys[1]! }),
    tanh: new nn.Tanh(),
    average: new nn.AvgPool2d({ window: 2 }),
    flatten: new nn.Flatten(),
    dropout: new nn.Dropout(),
    output: new nn.Linear(32, 5, { key: keys[2]! }),
  });
  const sgd = new fermi.SGD(network.parameters().values());
  const images = fermi.normal(fermi.foldIn(key, 3), [6, 2, 13, 13]);
  const labels = fermi.tensor(new Int32Array([0, 1, 2, 3, 4, 0]), { device });
  const losses: number[] = [];
  for (let step = 0; step < 4; step++) {
    const logits = network.forward(images, nn.training(fermi.foldIn(key, 4 + step)));
    const loss = fermi.crossEntropy(logits, labels);
    sgd.step(fermi.gradients(loss, sgd.parameters), 0.1);
    losses.push(await loss.item());
  }
  device.destroy();
  return losses;
}

/** The shaders that are made meanwhile. */
async function shadersOf(work: () => Promise<unknown>): Promise<string[]> {
  const path: string = "webgpu";
  const { globals } = await import(path) as { globals: { GPUDevice: { prototype: GPUDevice } } };
  const { prototype } = globals.GPUDevice;
  const { createShaderModule } = prototype;
  const shaders: string[] = [];
  prototype.createShaderModule = function (descriptor) {
    shaders.push(descriptor.code);
    return createShaderModule.call(this, descriptor);
  };
  try {
    await work();
  } finally {
    prototype.createShaderModule = createShaderModule;
  }
  return shaders;
}

/** Whole numbers: a product, and a convolution's gradients. */
async function wholeNumbers(fermi: typeof sources, device: sources.Device): Promise<unknown> {
  const numbers = (shape: sources.Shape) =>
    fermi.arange(shape.reduce((a, b) => a * b), { device }).cast("f32").reshape(shape);
  const x = numbers([8, 8]);
  const [image, weight] = [numbers([1, 2, 5, 5]), numbers([4, 2, 3, 3])];
  const slopes = fermi.gradients(fermi.conv2d(image, weight, { padding: 1 }), [image, weight]);
  return await Promise.all([x.matmul(x), ...slopes].map((each) => each.array()));
}
const WHOLE_NUMBERS = await wholeNumbers(sources, await sources.device("cpu"));

/** Asserts that two shaders are one but for spaces, comments and names, each of which stands for one of the other. */
function assertSame(shader: string, other: string): void {
  const wordsOf = (text: string) =>
    text.replaceAll(/\/\/.*/g, "").match(/(?:\bp\.)?[a-z_]\w*|[\d.]+\w*|[^\s\w]/gi)!;
  const [words, others] = [wordsOf(shader), wordsOf(other)];
  assert.equal(words.length, others.length, other);
  const [there, back] = [new Map<string, string>(), new Map<string, string>()];
  words.forEach((word, i) => {
    const same = others[i]!;
    if (!/^[a-z_]/i.test(word)) return assert.equal(same, word, other);
    assert.equal(there.get(word) ?? same, same, other);
    assert.equal(back.get(same) ?? word, word, other);
    there.set(word, same);
    back.set(same, word);
  });
}

test("bundle: steps of training give the losses that the sources give, to the last bit, by the same shaders", async () => {
  const folder = await mkdtemp(join(tmpdir(), "fermi-bundle-"));
  try {
    await symlink(join(root, "node_modules"), join(folder, "node_modules"), "junction");
    await writeFile(join(folder, "package.json"), '{ "type": "module" }');
    for (const { name, code } of files) await writeFile(join(folder, name), code);
    const bundled = await import(pathToFileURL(join(folder, "fermi.js")).href) as typeof sources;
    assert.deepEqual(Object.keys(bundled).sort(), Object.keys(sources).sort());
    for (const where of ["cpu", "webgpu"] as const) {
      const [got, want]: [number[], number[]] = [[], []];
      const shaders = await shadersOf(async () => got.push(...await losses(bundled, where)));
      const others = await shadersOf(async () => want.push(...await losses(sources, where)));
      console.log(`${where}, ${shaders.length} shaders: ${want}`);
      assert.deepEqual(got, want);
      assert(new Set(want).size === want.length && want.every(Number.isFinite), `${want}`);
      assert.equal(shaders.length > 0, where === "webgpu");
      assert.equal(shaders.length, others.length);
      shaders.forEach((shader, i) => assertSame(others[i]!, shader));
    }
    // Whatever it measures, whole numbers come out the same; and it has been at work, which takes files of their own.
    const tuned = await bundled.device("webgpu", { tune: "on" });
    const shaders = await shadersOf(async () =>
      assert.deepEqual(await wholeNumbers(bundled, tuned), WHOLE_NUMBERS)
    );
    assert(shaders.some((shader) => shader.includes("var<workgroup>")), `${shaders.length} shaders`);
    tuned.destroy();
  } finally {
    await rm(folder, { recursive: true });
  }
});

test("bundle: what is not beside it is done without", async () => {
  const folder = await mkdtemp(join(tmpdir(), "fermi-bundle-"));
  const { warn } = console;
  const warnings: string[] = [];
  console.warn = (text) => warnings.push(text);
  try {
    await symlink(join(root, "node_modules"), join(folder, "node_modules"), "junction");
    await writeFile(join(folder, "package.json"), '{ "type": "module" }');
    for (const { name, code } of files) {
      if (name !== "fermi.gpu.js") await writeFile(join(folder, name), code);
    }
    const bundled = await import(pathToFileURL(join(folder, "fermi.js")).href) as typeof sources;
    const tuned = await bundled.device("webgpu", { tune: "on" });
    assert.deepEqual(await wholeNumbers(bundled, tuned), WHOLE_NUMBERS);
    tuned.destroy();
  } finally {
    console.warn = warn;
    await rm(folder, { recursive: true });
  }
  assert.match(
    warnings.join(),
    /^webgpu: products are going to take longer than they need to: [^,]*fermi\.gpu\.js/,
  );
});

test("bundle: all variants of the products compute the same in sources that were made compact", async () => {
  const folder = await mkdtemp(join(tmpdir(), "fermi-bundle-"));
  try {
    await symlink(join(root, "node_modules"), join(folder, "node_modules"), "junction");
    const outfile = join(folder, "variants_test.mjs");
    await build({
      absWorkingDir: root,
      entryPoints: ["tests/variants_test.ts"],
      outfile,
      bundle: true,
      platform: "node",
      format: "esm",
      external: ["webgpu"],
      plugins: [compacting],
    });
    // It is told that it runs in a test, and would report to that.
    delete process.env["NODE_TEST_CONTEXT"];
    assert.match(await run([process.execPath, "--test-reporter=tap", outfile]), /^# pass [1-9]/m);
  } finally {
    await rm(folder, { recursive: true });
  }
});

test("bundle: of a shader, comments and indentation go; of a declaration, its sentence", () => {
  const shader =
    "const a = `\n  let x = 1u - z; // one\n  // two ${n}\n}\n  let y: vec4<f32> = x - -x;\n`;\n";
  const bare = "let a = `\nlet x=1u-z;//two ${n}\n}let y:vec4<f32> = x - -x;`;\n";
  assert.equal(compact("backends/webgpu/kernels/a.ts", shader), bare);
  assert.equal(compact("backends/webgpu/plan.ts", shader), shader.replace("const", "let"));
  const declarations = 'let a = { name: "a", doc: "b" }; let c = elementwise("c", "d", e);\n';
  assert.equal(
    compact("tensor/ops/a.ts", declarations),
    declarations.replace('"b"', '""').replace('"d"', '""'),
  );
  const fields = "class A { readonly a: B; b = 1; static c: D; #d: E; }";
  assert.equal(compact("tensor/a.ts", fields), "class A {  b = 1; static c: D; #private0: E; }");
  assert.equal(compact("nn/a.ts", fields), fields.replace("#d", "#private0"));
  // A private name becomes a property, called as no other member is, and a kind is called by its short name.
  const names = { properties: new Map([["a", "e"]]), words: new Map(), tags: new Map([["view", "n"]]) };
  const kinds =
    'class A { a = 1; #b = 2; t() { return this.#b + this.a; } }; if (x.kind === "view") y("view");';
  assert.equal(
    compact("backends/webgpu/a.ts", kinds, names),
    'class A { e = 1; n = 2; t() { return this.n + this.e; } }; if (x.kind === "n") y("view");',
  );
  assert.throws(() => compact("backends/mod.ts", ""), /0 backends are imported on demand, not 2/);
});

test("bundle: modules are put in order, but behind what is used when they are evaluated", () => {
  const order = (source: string) => ordered(source).map((start) => source.slice(start).match(/^.*/)![0]);
  const ops = '// tensor/ops/a.ts\nvar aOp = { name: "a", of: () => k.a };\n';
  const kernel = (line: string) => `// backends/webgpu/kernels/k.ts\n${line}\n`;
  const [a, k] = ['var aOp = { name: "a", of: () => k.a };', "var k = { a: 1, aOp: 2 };"];
  assert.deepEqual(order(ops + kernel(k)), [k, a]);
  assert.deepEqual(order(ops + kernel("var k = { ...aOp };")), [a, "var k = { ...aOp };"]);
  // What a function uses is used when it is called.
  const called = "// tensor/ops/f.ts\nfunction f() { return aOp; }\n";
  const rest = "function f() { return aOp; }";
  assert.deepEqual(order(ops + called + kernel("var k = () => f();")), ["var k = () => f();", a, rest]);
  assert.deepEqual(order(ops + called + kernel("var k = f();")), [a, "var k = f();", rest]);
});

test("bundle: variables in like places have one name, and no two that meet", () => {
  const definition = { scope: {}, undeclared: false, global: false, name: "", mangled_name: null };
  const local = (scope: object) => ({ definition, scopes: new Set([scope]), count: 2, keys: new Map() });
  const [a, b, c, d] = [0, 1, 2, 3].map(placeholder);
  const text = `f(${a}=>${a}.length);f(${b}=>${b}.length);f(${c}=>${c}.length+${d}.size)`;
  const [both, ...scopes] = [{}, {}, {}];
  const locals = [...scopes, both, both].map((scope) => local(scope!));
  const better = (of: typeof locals, names: string[], reserved: string[] = []) => {
    const naming = new Naming(text, of, names, new Set(reserved));
    naming.improve();
    return naming.names;
  };
  assert.deepEqual(better(locals, ["e", "e", "t", "e"]), ["e", "e", "e", "t"]);
  assert.deepEqual(better(locals, ["e", "e", "r", "t"]), ["e", "e", "e", "t"]);
  assert.deepEqual(better(locals, ["e", "e", "r", "t"], ["e"]), ["e", "e", "r", "t"]);
  const top = locals.map((each) => ({ ...each, definition: { ...each.definition, global: true } }));
  assert.deepEqual(better(top, ["e", "e", "r", "t"]), ["e", "e", "r", "t"]);
});

test("bundle: a variable takes the name that makes the text smaller, and no other's where both are seen", () => {
  const definition = { scope: {}, undeclared: false, global: false, name: "", mangled_name: null };
  const local = (...scopes: object[]) => ({
    definition,
    scopes: new Set(scopes),
    count: 2,
    keys: new Map(),
  });
  const words = "what one knows by heart, one need not be told again";
  const text = [0, 1, 2].map(placeholder).map((a) => `function(${a}){say("${words}",${a},"${words}")}`).join(
    "",
  );
  const [one, two, both] = [{}, {}, {}];
  const squeezed = (locals: ReturnType<typeof local>[], names: string[]) => {
    const naming = new Naming(text, locals, names, new Set());
    squeeze(naming);
    return naming.names;
  };
  assert.deepEqual(squeezed([local(one), local(two), local(both)], ["e", "e", "t"]), ["e", "e", "e"]);
  const meeting = [local(one, both), local(two), local(both)];
  assert.deepEqual(squeezed(meeting, ["e", "e", "t"]).toSorted(), ["e", "e", "t"]);
});

test("bundle: strings are templates, but where the language wants a string", async () => {
  const source = 'import a from"./a.js";var b={"b-c":"`${d}\\n"+a};import("./e.js");export{b as"f g"};';
  const treeOf = async (text: string) => {
    const format = { ast: true, code: false } as object;
    return (await minify(text, { ...AS_IT_IS, format }) as unknown as { ast: Quoting }).ast;
  };
  const tree = await treeOf(source);
  const { body: [template] } = await treeOf("``") as unknown as { body: [{ body: Quoting }] };
  withTemplates(tree, template.body);
  const { code } = await minify(tree as unknown as string, AS_IT_IS);
  assert.equal(code, source.replace('"`${d}\\n"', () => "`\\`\\${d}\\n`"));
});

test("bundle: functions stand beside those most like them, and nothing else moves", () => {
  const like = (name: string) =>
    `function ${name}(){return"what one knows by heart, one need not be told again"}`;
  const other = (seed: number) =>
    `let x${seed}="${
      Array.from({ length: 20_000 }, (_, i) => Math.abs(Math.sin(seed + i)).toString(36)[5]).join("")
    }";`;
  const code = [like("f"), other(1), other(2), like("g")].join("");
  const order = neighbourly(code);
  assert.deepEqual(order.filter((i) => i === 1 || i === 2), [1, 2]);
  assert.equal(Math.abs(order.indexOf(0) - order.indexOf(3)), 1, `${order}`);
});

test("bundle: namespaces are plain objects, behind what is in them, and no line moves", () => {
  const source = [
    "// nn/mod.ts",
    "var mod_exports = {};",
    "__export(mod_exports, {",
    "  a: () => a2,",
    "  B: () => B",
    "});",
    "// nn/a.ts",
    "function a2() {}",
    "// nn/b.ts",
    "var B = class {};",
    "export {",
    "  mod_exports as nn",
    "};",
    "",
  ];
  const expected = ["", "", "", "", ""];
  expected.unshift("// nn/mod.ts");
  expected.push(
    ...source.slice(6, 9),
    "var B = class {};var mod_exports = {  a: a2,  B: B};",
    ...source.slice(10),
  );
  assert.equal(withPlainNamespaces(source.join("\n")), expected.join("\n"));
});
