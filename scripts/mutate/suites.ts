// Which tests matter for a file, and in which order they find a fault soonest.

import { existsSync } from "node:fs";

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

/** Test files, and the sources that they cannot see. Those that do not exist are left out. */
const SUITES: readonly { readonly test: string; readonly blindFor?: RegExp }[] = [
  { test: "cpu", blindFor: /webgpu/ },
  { test: "cpu_gradients", blindFor: /webgpu/ },
  { test: "special_gradients" },
  { test: "special_values" },
  { test: "evaluation" },
  { test: "failures", blindFor: /cpu|tensor\/ops/ },
  { test: "nn" },
  { test: "random" },
  { test: "relations" },
  { test: "plans", blindFor: /cpu/ },
  { test: "graph_fuzz" },
  { test: "fixture_ops" },
  { test: "fixture_networks" },
  { test: "network_gradients" },
  { test: "steady_state", blindFor: /cpu|tensor\/ops/ },
  { test: "agreement" },
];

/** Files that serve the ops of families with other names. */
const SERVES: Readonly<Record<string, readonly string[]>> = {
  gemm: ["matmul", "conv2d"],
  pack: ["matmul", "conv2d"],
  products: ["matmul", "conv2d"],
  normal_quantile: ["random"],
  as241: ["random"],
};

/** The names of a family's ops. */
async function opsOf(root: string, family: string): Promise<string[]> {
  const path = `${root}/tensor/ops/${family}.ts`;
  if (!existsSync(path)) return [];
  const module: Record<string, unknown> = await import(`file://${path}`);
  return Object.values(module).flatMap((value) =>
    typeof value === "object" && value !== null && "infer" in value && "name" in value
      ? [`${value.name}`]
      : []
  );
}

/** The commands that matter for a file: the tests of its own ops first, all of them in the end. */
export async function commandsFor(
  file: string,
  root: string,
): Promise<{ readonly own: readonly Command[]; readonly rest: readonly Command[] }> {
  const name = file.slice(file.lastIndexOf("/") + 1, -".ts".length);
  const families = /\/(ops|kernels)\//.test(file) ? SERVES[name] ?? [name] : [];
  const ops = (await Promise.all(families.map((family) => opsOf(root, family)))).flat();
  const rest = SUITES
    .filter(({ test, blindFor }) => !blindFor?.test(file) && existsSync(`${root}/tests/${test}_test.ts`))
    .map(({ test }) => ({ test }));
  return { own: ops.length > 0 ? [{ test: "agreement", filter: `/: (${ops.join("|")})$/` }] : [], rest };
}

/** Below so many seconds a whole test file is worth a try before the ops' own samples. */
const QUICK = 0.8;

/** The order: cheap ones first, but the kernels of WebGPU are best seen by their own ops. */
export function ordered(
  file: string,
  { own, rest }: { readonly own: readonly Command[]; readonly rest: readonly Command[] },
  seconds: (command: Command) => number,
): Command[] {
  const sorted = [...rest].sort((a, b) => seconds(a) - seconds(b));
  const quick = file.startsWith("backends/webgpu/kernels/")
    ? []
    : sorted.filter((command) => seconds(command) < QUICK);
  return [...quick, ...own, ...sorted.filter((command) => !quick.includes(command))];
}
