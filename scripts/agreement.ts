// The long form of the agreement suite, `deno task test:agreement`: every op on at least 200 cases forward and 50 for
// gradients and every variant of the product by force, random programs, and the relations, on each driver that Deno finds. `--seed` chooses other cases;
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
  /** How many samples there were, in percent. */
  readonly runs: number;
  readonly rows: readonly AgreementRow[];
}

interface Flags {
  readonly seed: string;
  readonly runs: string;
  readonly minutes?: string;
  readonly all: boolean;
  readonly docs: boolean;
}

/** Where the suite runs, and on how much of its samples. */
interface Driver {
  readonly environment: Record<string, string>;
  readonly share: number;
}

/** The suites that draw their samples, and those beside them that need no reference. */
const FILES = readdirSync("tests")
  .filter((name) => /^(agreement|graph_fuzz|relations\w*|random)_test\.ts$/.test(name))
  .map((name) => `tests/${name}`);

function run(runs: number, seed: number, environment: Record<string, string>): Table {
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
      FERMI_RUNS: `${runs}`,
      FERMI_VARIANTS: "all",
      FERMI_TABLE: file,
    },
  });
  console.log(`# seed ${seed}: ${((performance.now() - began) / 60000).toFixed(1)} minutes`);
  const table = status === 0 ? { ...JSON.parse(readFileSync(file, "utf8")), runs } as Table : null;
  rmSync(folder, { recursive: true });
  return table ?? process.exit(1);
}

const cell = (value: number) => value === 0 ? "0" : value.toFixed(2);
const casesOf = ({ cases: { output, behind, gradient, second } }: AgreementRow) =>
  [output, behind, gradient, second].join(" + ");

/** Without the width of its vectors; all run in Deno. */
const nameOf = ({ adapter }: Table) => adapter.replace(/, \d+ bits/, "");

/**
 * One line an op: its bound, the cases, and for each adapter the worst of the outputs, of those behind a product, of the
 * gradients and of the second gradients.
 */
function markdown(tables: readonly Table[], seed: number): string {
  const [first, ...others] = tables;
  const head = ["op", "bound", "cases", ...tables.map(nameOf)];
  const shares = others.filter(({ runs }) => runs !== first!.runs).map((table) =>
    `; ${nameOf(table)} had ${100 * table.runs / first!.runs}% of them`
  );
  const lines = Object.entries(boundFormulas).map(([op, bound]) => {
    const rows = tables.map(({ rows }) => rows.find((row) => row.op === op)!);
    const worst = rows.map(({ output, behind, gradient, second }) =>
      [output, behind, gradient, second].map(cell).join(" · ")
    );
    return [`\`${op}\``, bound.replaceAll("|", "\\|"), casesOf(rows[0]!), ...worst];
  });
  const table = [head, head.map(() => "---"), ...lines].map((cells) => `| ${cells.join(" | ")} |`);
  return [`Seed ${seed}, the cases of ${nameOf(first!)}${shares.join("")}:`, "", ...table].join("\n");
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
  .option(
    "--all",
    "on SwiftShader too, not only on the driver that Vulkan finds: a quarter of the samples",
    false,
  )
  .option("--docs", "write the table of docs/agreement.md", false)
  .parse().opts<Flags>();
prepareDrivers();
const swiftshader: readonly string[] = flags.all ? SWIFTSHADER.filter(existsSync) : [];
const drivers: readonly Driver[] = [
  { environment: {}, share: 1 },
  ...swiftshader.map((path) => ({ environment: { VK_ICD_FILENAMES: path }, share: 0.25 })),
];
const end = performance.now() + Number(flags.minutes ?? 0) * 60000;
for (let seed = Number(flags.seed);; seed++) {
  const tables = drivers.map(({ environment, share }) =>
    run(Number(flags.runs) * share, seed, { ...DENO_ENV, ...environment })
  );
  // Of several seeds the first, which is the one that was asked for.
  if (flags.docs && seed === Number(flags.seed)) writeDocs(tables, seed);
  if (performance.now() >= end) break;
}
