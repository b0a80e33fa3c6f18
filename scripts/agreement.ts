// The long form of the agreement suite, `deno task test:agreement`: every op on at least 200 cases forward and 50 for
// gradients, random programs, and the relations, on each driver that Deno finds. `--seed` chooses other cases;
// `--minutes` goes on with the seeds that follow until the time is over; `--docs` writes what was found, beside the
// bounds, into docs/agreement.md.

import { Command } from "commander";
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import process from "node:process";
import { boundFormulas } from "../debug/bound_formulas.ts";
import type { AgreementRow } from "../tests/agreement_table.ts";
import { DENO, DENO_ENV, prepareDrivers, SWIFTSHADER } from "./drivers.mjs";

interface Table {
  readonly adapter: string;
  readonly rows: readonly AgreementRow[];
}

interface Flags {
  readonly seed: string;
  readonly runs: string;
  readonly minutes?: string;
  readonly all: boolean;
  readonly docs: boolean;
}

/** The suites that draw their samples, and those beside them that need no reference. */
const FILES = readdirSync("tests")
  .filter((name) => /^(agreement|graph_fuzz|relations\w*|random)_test\.ts$/.test(name))
  .map((name) => `tests/${name}`);

function run(flags: Flags, seed: number, environment: Record<string, string>): Table {
  const folder = mkdtempSync(`${tmpdir()}/agreement-`);
  const file = `${folder}/table.json`;
  const [deno, ...args] = DENO;
  const began = performance.now();
  console.log(`# seed ${seed}, ${environment["VK_ICD_FILENAMES"] ?? "the driver that Vulkan finds"}`);
  const { status } = spawnSync(deno!, [...args, "test", "-A", "--no-check", ...FILES], {
    stdio: "inherit",
    env: {
      ...process.env,
      ...environment,
      FERMI_SEED: `${seed}`,
      FERMI_RUNS: flags.runs,
      FERMI_TABLE: file,
    },
  });
  console.log(`# seed ${seed}: ${((performance.now() - began) / 60000).toFixed(1)} minutes`);
  const table = status === 0 ? JSON.parse(readFileSync(file, "utf8")) as Table : null;
  rmSync(folder, { recursive: true });
  return table ?? process.exit(1);
}

const cell = (value: number) => value === 0 ? "0" : value.toFixed(2);
const casesOf = ({ cases }: AgreementRow) => `${cases.output} + ${cases.gradient} + ${cases.second}`;

/** One line an op: its bound, the cases, and for each adapter the worst output, gradient and second gradient. */
function markdown(tables: readonly Table[], seed: number): string {
  const names = tables.map(({ adapter }) => adapter.replace(/ \([^()]*bits\)/, ""));
  const head = ["op", "bound", "cases", ...names];
  const lines = Object.entries(boundFormulas).map(([op, bound]) => {
    const rows = tables.map(({ rows }) => rows.find((row) => row.op === op)!);
    const worst = rows.map(({ output, behind, gradient, second }) =>
      [Math.max(output, behind), gradient, second].map(cell).join(" · ")
    );
    return [`\`${op}\``, bound.replaceAll("|", "\\|"), casesOf(rows[0]!), ...worst];
  });
  const table = [head, head.map(() => "---"), ...lines].map((cells) => `| ${cells.join(" | ")} |`);
  return [`Seed ${seed}:`, "", ...table].join("\n");
}

function writeDocs(tables: readonly Table[], seed: number): void {
  const file = "docs/agreement.md";
  const [before, , after] = readFileSync(file, "utf8").split(
    /(?<=<!-- table -->\n)|(?=<!-- end of table -->)/,
  );
  writeFileSync(file, `${before}\n${markdown(tables, seed)}\n\n${after}`);
  spawnSync(DENO[0]!, [...DENO.slice(1), "fmt", "-q", file]);
}

const flags = new Command("test:agreement")
  .option("--seed <n>", "what all samples are drawn from", "2012")
  .option("--runs <percent>", "how many samples, where 100 is what `npm test` draws", "800")
  .option("--minutes <n>", "go on with the next seeds until so many minutes are over")
  .option("--all", "on every driver of this machine, not only on the one that Vulkan finds", false)
  .option("--docs", "write the table of docs/agreement.md", false)
  .parse().opts<Flags>();
prepareDrivers();
const drivers = [
  {},
  ...(flags.all ? SWIFTSHADER.filter(existsSync) : []).map((path: string) => ({ VK_ICD_FILENAMES: path })),
];
const end = performance.now() + Number(flags.minutes ?? 0) * 60000;
for (let seed = Number(flags.seed);; seed++) {
  const tables = drivers.map((driver) => run(flags, seed, { ...DENO_ENV, ...driver }));
  // Of several seeds the first, which is the one that was asked for.
  if (flags.docs && seed === Number(flags.seed)) writeDocs(tables, seed);
  if (performance.now() >= end) break;
}
