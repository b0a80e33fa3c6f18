// deno task mutate: plants faults in the kernels and the rules and looks whether the tests notice them.

import { parseArgs } from "node:util";
import process from "node:process";
import { choose, type Options, run } from "./mutate/run.ts";
import { cleanUp } from "./mutate/workers.ts";

const HELP = `deno task mutate [options]
  --count=320        how many mutants are tried, besides those that do not load or that a compiler refuses
  --seed=2012        chooses the places
  --files=TEXT       only files whose path contains TEXT
  --only=ID[,ID]     only these mutants
  --list             print the chosen mutants, try none
  --workers=2        copies of the tree that are tested side by side
  --driver=default   or swiftshader
  --json=FILE        all results, written after each mutant
  --resume=FILE      results of an earlier run: only its survivors, and what is missing, are tried
  --markdown=FILE    the report`;

const { values } = parseArgs({
  options: {
    count: { type: "string", default: "320" },
    seed: { type: "string", default: "2012" },
    files: { type: "string", default: "" },
    only: { type: "string" },
    list: { type: "boolean", default: false },
    workers: { type: "string", default: "2" },
    driver: { type: "string", default: "default" },
    json: { type: "string" },
    resume: { type: "string" },
    markdown: { type: "string" },
    help: { type: "boolean", default: false },
  },
});

const options: Options = {
  count: Number(values.count),
  seed: Number(values.seed),
  workers: Number(values.workers),
  files: values.files,
  only: values.only?.split(",") ?? null,
  driver: values.driver,
  json: values.json ?? null,
  markdown: values.markdown ?? null,
  resume: values.resume ?? null,
};

/** The least that the tests have to notice, in percent. */
const WANTED = 95;

if (values.help) console.log(HELP);
else if (values.list) {
  for (const { id } of choose(options, process.cwd(), options.count)) console.log(id);
} else {
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.on(signal, () => {
      cleanUp();
      process.exit(130);
    });
  }
  try {
    process.exitCode = await run(options, process.cwd()) >= WANTED ? 0 : 1;
  } finally {
    cleanUp();
  }
}
