// deno task bench:peers: Fermi beside jax-js, TensorFlow.js and PyTorch, on the same work and the same machine.

import process from "node:process";
import { FERMI, RIVALS, rivalsInstalled, torch } from "./contender.ts";
import { HELP, optionsOf, raceAll } from "./program.ts";
import { workloads } from "./workloads.ts";

function stop(message: string): never {
  console.error(`error: ${message}`);
  process.exit(2);
}

const options = (() => {
  try {
    return optionsOf(process.argv.slice(2));
  } catch (error) {
    return stop(error instanceof Error ? error.message : String(error));
  }
})();

if (options.help) console.log(HELP);
else {
  const wanted = (key: string) => options.contenders === null || options.contenders.includes(key);
  const python = wanted("torch") ? torch() : null;
  const contenders = [FERMI, ...RIVALS, ...(python ? [python] : [])].filter(({ key }) => wanted(key));
  if (contenders.some((contender) => RIVALS.includes(contender)) && !rivalsInstalled()) {
    stop("the rivals are not installed: npm install --prefix bench/peers (or name --contenders=fermi)");
  }
  if (options.contenders?.includes("torch") && python === null) {
    stop('python3 -c "import torch" fails');
  }
  const rows = workloads().filter(({ name }) => options.only.test(name));
  if (rows.length === 0) stop(`--only=${options.only.source} matches no row`);
  process.exitCode = await raceAll(
    rows,
    contenders,
    options,
    console.log,
    (text) => console.error(`# ${text}`),
  );
}
