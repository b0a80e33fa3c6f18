// Short names for what is local to a module. The minifier gives each scope the next free letters; here a variable that is
// taken out of an object, or put into one, is called as the property is where that is as short, since `{ key }` is then all
// there is to write; and the names of a module's own functions are given last, when those inside have got the single letters.

import { Naming, placeholder } from "./alike.ts";
import { squeeze } from "./squeeze.ts";

/** A scope of the minifier's tree: a function, a class or the whole; and what a block has for one. */
type Scope = object;

/** What a name stands for. */
export interface Definition {
  readonly scope: Scope;
  /** Declared in no scope: the platform's. */
  readonly undeclared: boolean;
  /** At the top. */
  readonly global: boolean;
  readonly name: string;
  mangled_name: string | null;
}

/** A node of the minifier's tree, as far as is of interest here. */
export interface Node {
  readonly TYPE: string;
  /** A symbol's. */
  readonly thedef?: Definition;
  /** What a function, a class or the whole declares. */
  readonly variables?: unknown;
  readonly block_scope?: Scope;
  /** A property's. */
  readonly key?: unknown;
  readonly value?: unknown;
  /** A default's. */
  readonly left?: unknown;
  _walk(visitor: { _visit(node: Node, descend?: () => void): void }): void;
}

/** A definition with all that names are given by. */
export interface Local {
  readonly definition: Definition;
  /** The scopes in which it is visible under its name: those where it is used, and those between them and its own. */
  readonly scopes: Set<Scope>;
  /** How often it is written, and how often beside a property of each name. */
  count: number;
  readonly keys: Map<string, number>;
}

/** In the order in which they are met. */
function localsOf(tree: Node): Local[] {
  const locals = new Map<Definition, Local>();
  const path: Node[] = [];
  const scopes: Scope[] = [];
  const localOf = (definition: Definition): Local => {
    const known = locals.get(definition);
    if (known) return known;
    const local = { definition, scopes: new Set([definition.scope]), count: 0, keys: new Map() };
    locals.set(definition, local);
    return local;
  };
  tree._walk({
    _visit(node, descend) {
      const scope = node.block_scope ?? (node.variables ? node : null);
      if (scope) scopes.push(scope);
      if (node.thedef) {
        const local = localOf(node.thedef);
        local.count++;
        // A function's own name is not one of those within it.
        const around = /^Symbol(Defun|DefClass)$/.test(node.TYPE) ? scopes.slice(0, -1) : scopes;
        const own = around.lastIndexOf(node.thedef.scope);
        for (const each of around.slice(Math.max(0, own))) local.scopes.add(each);
        const key = keyOf(node, path);
        if (key !== null) local.keys.set(key, (local.keys.get(key) ?? 0) + 1);
      }
      path.push(node);
      descend?.call(node);
      path.pop();
      if (scope) scopes.pop();
    },
  });
  return [...locals.values()];
}

/** The property whose value the node is, or, in a pattern, whose value it takes. */
function keyOf(node: Node, path: readonly Node[]): string | null {
  const [outer, parent] = path.slice(-2) as [Node, Node];
  const [property, value] = parent?.TYPE === "DefaultAssign" && parent.left === node
    ? [outer, parent]
    : [parent, node];
  return property?.TYPE === "ObjectKeyVal" && property.value === value && typeof property.key === "string"
    ? property.key
    : null;
}

/** In the order of their frequency in the code. */
const LETTERS = "etransiouplhdfcmvgwybxkMEjSAzPNRCqBGIWDFOLUVKHXZQJTY$_";
const NAMES = ["", ...LETTERS, ...[...LETTERS].flatMap((a) => [...LETTERS].map((b) => a + b))].flatMap((
  first,
) => [...LETTERS].map((last) => first + last));
/** What no variable may be called, as far as it is as short. */
const RESERVED = ["do", "if", "in", "as", "is", "of", "for", "let", "new", "try", "var", "get", "set"];

/** Gives all variables of a module their names, which are the tree's to print; `printed` says how it looks. */
export async function nameLocals(tree: Node, printed: () => Promise<string>): Promise<void> {
  const locals = localsOf(tree);
  chooseNames(locals);
  await rename(locals, printed, (naming) => naming.improve());
}

/** Gives variables other names where gzip says that these are better: when all stand where they are to stand. */
export async function squeezeNames(tree: Node, printed: () => Promise<string>): Promise<void> {
  await rename(localsOf(tree), printed, squeeze);
}

/** Short names for variables, and those of properties. */
function chooseNames(locals: readonly Local[]): void {
  const taken = new Map<Scope, Set<string>>();
  const reserved = reservedIn(locals);
  const isFree = ({ scopes }: Local, name: string) =>
    !reserved.has(name) && ![...scopes].some((scope) => taken.get(scope)?.has(name));
  const take = ({ definition, scopes }: Local, name: string) => {
    definition.mangled_name = name;
    for (const scope of scopes) taken.set(scope, (taken.get(scope) ?? new Set()).add(name));
  };
  const own = ownOf(locals);
  const called = new Set(
    own.toSorted((a, b) => b.count - a.count).filter((local) => {
      const key = propertyFor(local);
      if (key === null || !isFree(local, key)) return false;
      take(local, key);
      return true;
    }),
  );
  const others = own.filter((local) => !called.has(local));
  const isTop = ({ definition }: Local) => Number(definition.global);
  // By property: what variables were called that had its value, the last first.
  const before = new Map<string, string[]>();
  for (const local of others.toSorted((a, b) => isTop(a) - isTop(b))) {
    const [key] = mostOf(local);
    const again = (key === undefined || isTop(local) ? undefined : before.get(key)) ?? [];
    const known = again.find((name) => isFree(local, name));
    const name = known ?? NAMES.find((each) => isFree(local, each))!;
    take(local, name);
    if (key !== undefined && known === undefined) before.set(key, [name, ...again]);
  }
}

const ownOf = (locals: readonly Local[]) => locals.filter(({ definition }) => !definition.undeclared);

function reservedIn(locals: readonly Local[]): Set<string> {
  const platform = locals.filter(({ definition }) => definition.undeclared);
  return new Set([...RESERVED, ...platform.map(({ definition }) => definition.name)]);
}

/** Gives variables, which have names, better ones. */
async function rename(
  locals: readonly Local[],
  printed: () => Promise<string>,
  improve: (naming: Naming) => void,
): Promise<void> {
  const own = ownOf(locals);
  const names = own.map(({ definition }) => definition.mangled_name!);
  own.forEach(({ definition }, i) => definition.mangled_name = placeholder(i));
  const naming = new Naming(await printed(), own, names, reservedIn(locals));
  improve(naming);
  own.forEach(({ definition }, i) => definition.mangled_name = naming.names[i]!);
}

/** The property beside which a variable is met most often, and how often that is. */
function mostOf({ keys }: Local): [key?: string, uses?: number] {
  return [...keys].sort(([, a], [, b]) => b - a)[0] ?? [];
}

/** The property whose name is a short one for the variable too. */
function propertyFor(local: Local): string | null {
  const [key, uses] = mostOf(local);
  return key && (key.length <= 2 || (key.length <= 8 && uses === local.count)) ? key : null;
}
