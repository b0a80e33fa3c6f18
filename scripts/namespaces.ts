// What `import * as name` gives is an object with a function for each export, as the bundler writes it: they may be
// used before they are there. None of the library's are, so here they are an object as one writes it oneself, which the
// minifier can see through.

/** As the bundler writes the exports of a module. */
const EXPORTS = /^var (\w+) = \{\};\n__export\(\1, \{\n((?: {2}\w+: \(\) => \w+,?\n)+)\}\);$/gm;
/** What it writes them with. */
const HELPER = /^var __defProp = [^]*?^};$/m;
/** As it tells where a module begins, and where the last one ends. */
const MODULE = /^(?=\/\/ \S+\.ts$|export \{$)/m;

/** The bundle with plain objects, on the same lines: each at the end of the module that declares the last thing in it. */
export function withPlainNamespaces(source: string): string {
  const modules = source.split(MODULE);
  const objects = modules.map(() => "");
  const rest = modules.map((module) =>
    module.replace(EXPORTS, (text, name: string, entries: string) => {
      const values = [...entries.matchAll(/=> (\w+)/g)].map(([, value]) => value!);
      const last = modules.findLastIndex((each) =>
        values.some((value) => new RegExp(`^(var|function|async function) ${value}\\b`, "m").test(each))
      );
      objects[last] += `var ${name} = {${entries.replaceAll(/\(\) => |\n/g, "")}};`;
      return text.replaceAll(/[^\n]/g, "");
    })
  );
  return rest.map((module, i) => module.replace(/\n$/, `${objects[i]}\n`)).join("")
    .replace(HELPER, (text) => text.replaceAll(/[^\n]/g, ""));
}
