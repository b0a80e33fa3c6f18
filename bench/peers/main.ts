// deno task bench:peers: Fermi beside jax-js, TensorFlow.js and PyTorch, on the same work and the same machine.

import process from "node:process";
import { fermi, OURS, RIVALS, rivalsInstalled, TORCH, torches, usual } from "./contender.ts";
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
  const { contenders: asked } = options;
  const all = [
    fermi(options.tune),
    ...RIVALS,
    ...(asked === null || asked.some((key) => TORCH.includes(key)) ? torches() : []),
  ];
  const contenders = asked === null ? usual(all) : all.filter(({ key }) => asked.includes(key));
  const missing = asked?.find((key) => !all.some((contender) => contender.key === key));
  if (missing !== undefined) {
    stop(`--contenders=${missing}: no Python here has PyTorch${missing === "torch" ? "" : " with CUDA"}`);
  }
  if (contenders.some((contender) => RIVALS.includes(contender)) && !rivalsInstalled()) {
    stop(`the rivals are not installed: npm install --prefix bench/peers (or name --contenders=${OURS})`);
  }
  const rows = workloads(options.large).filter(({ name }) => options.only.test(name));
  if (rows.length === 0) stop(`--only=${options.only.source} matches no row`);
  process.exitCode = await raceAll(
    rows,
    contenders,
    options,
    console.log,
    (text) => console.error(`# ${text}`),
  );
}
