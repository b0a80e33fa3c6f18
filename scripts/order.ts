// The order of modules in a bundle. gzip finds again what it has seen in the last 32 kB, and the bundle is several times as
// large: so modules that are alike lie side by side. What runs when a module is evaluated has to be behind what it uses.

import { type Node, nodesOf, parsed } from "./syntax.ts";

/** A module: where its statements begin in the bundle, and what they declare and use. */
interface Module {
  readonly file: string;
  readonly statements: Node[];
  readonly after: Set<Module>;
}

/** Kernels beside kernels, ops beside ops; with what they have most in common with behind them. */
const GROUPS: readonly RegExp[] = [
  /^backends\/webgpu\/kernels\//,
  /^backends\/cpu\//,
  /^backends\//,
  /^tensor\/[^/]+$/,
  /^tensor\/ops\//,
  /^/,
];

const FUNCTION =
  /^(FunctionDeclaration|FunctionExpression|ArrowFunctionExpression|ObjectMethod|Class\w*Method)$/;

/** Where the statements of a bundle begin, in a better order. Before each module the bundler says its file in a comment. */
export function ordered(source: string): number[] {
  const { body } = parsed(source) as unknown as { body: Node[] };
  const starts = [...source.matchAll(/^\/\/ (\S+\.ts)$/gm)];
  const modules = new Map<string, Module>();
  for (const statement of body) {
    const file = starts.findLast(({ index }) => index < statement.start)?.[1] ?? "";
    const known = modules.get(file) ?? { file, statements: [], after: new Set() };
    modules.set(file, known);
    known.statements.push(statement);
  }
  const all = [...modules.values()];
  addUses(all);
  const exported = (statement: Node) => statement.type === "ExportNamedDeclaration";
  const statements = sorted(all).flatMap(({ statements }) => statements);
  return [...statements.filter((each) => !exported(each)), ...statements.filter(exported)]
    .map(({ start }) => start);
}

/** Finds what has to be evaluated before a module, of what was before it. */
function addUses(modules: readonly Module[]): void {
  const home = new Map<string, Module>();
  const bodies = new Map<string, Node>();
  for (const module of modules) {
    for (const statement of module.statements) {
      for (const name of namesOf(statement)) {
        home.set(name, module);
        bodies.set(name, statement);
      }
    }
  }
  modules.forEach((module, i) => {
    const before = new Set(modules.slice(0, i));
    const seen = new Set<string>();
    const visit = (node: Node, inFunctions: boolean) => {
      const nodes = [...nodesOf(node, ({ type }) => inFunctions || !FUNCTION.test(type))];
      const keys = new Set(nodes.flatMap(({ computed, property, key }) => computed ? [] : [property, key]));
      for (const each of nodes) {
        const { type, name } = each;
        if (type !== "Identifier" || keys.has(each) || !home.has(name!) || seen.has(name!)) continue;
        seen.add(name!);
        const other = home.get(name!)!;
        // A function is there from the start; but it may be called now, and what it uses has to be there too.
        if (before.has(other) && bodies.get(name!)!.type !== "FunctionDeclaration") module.after.add(other);
        visit(bodies.get(name!)!, true);
      }
    };
    for (const statement of module.statements) {
      // What it declares is not used yet.
      const own = namesOf(statement).filter((name) => !seen.has(name));
      own.forEach((name) => seen.add(name));
      visit(statement, false);
      own.forEach((name) => seen.delete(name));
    }
  });
}

/** The names that a statement declares at the top. */
function namesOf(statement: Node): string[] {
  if (statement.type !== "VariableDeclaration") return statement.id ? [(statement.id as Node).name!] : [];
  return (statement.declarations as Node[]).flatMap(({ id }) =>
    [...nodesOf(id as Node)].flatMap(({ type, name }) => type === "Identifier" ? [name!] : [])
  );
}

function sorted(modules: readonly Module[]): Module[] {
  const rank = ({ file }: Module) => GROUPS.findIndex((group) => group.test(file));
  const order = new Set<Module>();
  const add = (module: Module) => {
    module.after.forEach(add);
    order.add(module);
  };
  modules.toSorted((a, b) => rank(a) - rank(b)).forEach(add);
  return [...order];
}
