// Which tests matter for a file, and in which order they find a fault soonest.

import { existsSync } from "node:fs";
import { isOp } from "../../tensor/ops/registry.ts";

/** One run of a test file. */
export interface Command {
  readonly test: string;
  /** Only the tests whose name matches. */
  readonly filter?: string;
}

/** What a command is called in messages. */
export function nameOfCommand({ test, filter }: Command): string {
  return filter === undefined ? `${test}_test.ts` : `${test}_test.ts --filter=${filter}`;
}

/** What an op does wrong shows in its own samples and relations, or in none: the slow files are for what serves all ops. */
const OP_BY_OP = /\/(ops|kernels)\/(?!kernel|types|mod|registry|products|gemm|pack)|backends\/cpu\/kernels/;

/** Test files, the cheap ones first, and the sources that they cannot see. Those that do not exist are left out. */
const SUITES: readonly { readonly test: string; readonly blindFor?: RegExp }[] = [
  { test: "cpu", blindFor: /webgpu/ },
  { test: "cpu_gradients", blindFor: /webgpu/ },
  { test: "evaluation" },
  { test: "plans", blindFor: /cpu/ },
  { test: "guard", blindFor: /cpu|tensor/ },
  { test: "failures", blindFor: /cpu|tensor\/ops/ },
  { test: "nn" },
  { test: "dtype" },
  { test: "shape_rules", blindFor: /backends/ },
  { test: "special_values" },
  { test: "special_gradients" },
  { test: "relations" },
  { test: "random" },
  { test: "network_gradients", blindFor: /webgpu/ },
  { test: "relations_conv" },
  { test: "graph_fuzz", blindFor: OP_BY_OP },
  { test: "large", blindFor: /cpu|tensor\/ops/ },
  { test: "fixture_ops" },
  { test: "relations_parts" },
  { test: "fixture_networks", blindFor: OP_BY_OP },
  { test: "steady_state", blindFor: OP_BY_OP },
  { test: "agreement", blindFor: OP_BY_OP },
];
/** These cost so little that they come before the ops' own samples. */
const CHEAP: readonly string[] = ["cpu", "cpu_gradients"];

/** Files that serve the ops of families with other names. */
const SERVES: Readonly<Record<string, readonly string[]>> = {
  gemm: ["matmul", "conv2d"],
  pack: ["matmul", "conv2d"],
  products: ["matmul", "conv2d"],
  normal_quantile: ["random"],
  as241: ["random"],
};

/** The names of the ops that a module exports. */
async function opsOf(path: string): Promise<string[]> {
  if (!existsSync(path)) return [];
  const module: Record<string, unknown> = await import(`file://${path}`);
  return Object.values(module).filter(isOp).map(({ name }) => name);
}

/** The names of the ops that a file declares or computes. One that declares none serves all of its folder. */
async function opsServed(file: string, root: string): Promise<string[]> {
  if (!/\/(ops|kernels)\//.test(file)) return [];
  const folder = file.slice(0, file.lastIndexOf("/"));
  const name = file.slice(folder.length + 1, -".ts".length);
  if (folder.startsWith("tensor/ops/")) {
    const own = await opsOf(`${root}/${file}`);
    return own.length > 0 ? own : await opsOf(`${root}/${folder}/mod.ts`);
  }
  const families = SERVES[name] ?? [name];
  const paths = families.flatMap((family) => [`${family}.ts`, `${family}/mod.ts`]);
  return (await Promise.all(paths.map((path) => opsOf(`${root}/tensor/ops/${path}`)))).flat();
}

/** The commands that matter for a file, in the order in which they find a fault soonest. */
export async function commandsFor(file: string, root: string): Promise<Command[]> {
  const ops = await opsServed(file, root);
  const own = ops.length > 0 ? [{ test: "agreement", filter: `/: (${ops.join("|")})$/` }] : [];
  const tests = SUITES
    .filter(({ test, blindFor }) => !blindFor?.test(file) && existsSync(`${root}/tests/${test}_test.ts`))
    .map(({ test }) => ({ test }));
  const cheap = tests.filter(({ test }) => CHEAP.includes(test));
  return [...cheap, ...own, ...tests.filter(({ test }) => !CHEAP.includes(test))];
}
