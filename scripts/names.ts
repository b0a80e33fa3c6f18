// Short names for what only the library's own files call by name: properties of the backends' objects, and what their
// shaders declare. A parameter of a shader is both, a key of `params` and `p.key` in the text; so all files and all texts
// get the same names. What anybody else might call by its name keeps it: what a type outside of the backends declares, unless
// its comment says `@internal`, what JavaScript, WebGPU or the platform calls so, what is in quotes somewhere, and what a text
// puts together from pieces. What is private in the backends, whose classes extend none, becomes a property like the others.

import { readFileSync } from "node:fs";
import { posix } from "node:path";
import { privatesOf, tagsOf } from "./internals.ts";
import { type Edit, MEMBER, type Node, nodesOf, parsed, placeOf, propertyOf, TYPE } from "./syntax.ts";

/** The short names: of properties, of words in the texts of shaders, and of kinds. */
export interface Names {
  readonly properties: ReadonlyMap<string, string>;
  readonly words: ReadonlyMap<string, string>;
  readonly tags: ReadonlyMap<string, string>;
}

const BACKENDS = /^backends\/(cpu|webgpu)\//;
/** Files that write shaders. */
export const SHADERS: RegExp = /^backends\/webgpu\/(kernels\/|(access|fused|shader)\.ts$)/;
/** Files that speak to the platform, in its words. */
const PLATFORM = /^(backends\/webgpu\/(adapter|dawn|tune_store)|tensor\/user_cache)\.ts$/;

/** A word of a text. */
interface Word {
  readonly name: string;
  readonly start: number;
  readonly end: number;
  /** `p.name`. */
  readonly parameter: boolean;
  /** Whether it goes on with an insertion, and whether it follows one. */
  readonly goesOn: boolean;
  readonly follows: boolean;
}

/** A part of a shader. */
export interface Text {
  readonly start: number;
  readonly end: number;
  /** Whether an insertion is before it, and behind it. */
  readonly follows: boolean;
  readonly goesOn: boolean;
}

const NO_TEXT = /^(ThrowStatement|ImportDeclaration|TS(?!\w+Expression).*)$/;

/** The texts in a file that writes shaders: neither the sentences of errors nor names in quotes. */
export function textsOf(tree: Node): Text[] {
  const isName = (node: Node) => node.type === "ObjectProperty" && (node.key as Node).name === "name";
  const nodes = [...nodesOf(tree, (node) => !NO_TEXT.test(node.type) && !isName(node))];
  return nodes.flatMap((node): Text[] => {
    if (node.type === "StringLiteral") {
      if (/^[\w ]*$/.test(String(node.value))) return [];
      return [{ start: node.start + 1, end: node.end - 1, follows: false, goesOn: false }];
    }
    if (node.type !== "TemplateLiteral") return [];
    const quasis = node.quasis as Node[];
    return quasis.map(({ start, end }, k) => ({ start, end, follows: k > 0, goesOn: k < quasis.length - 1 }));
  });
}

function wordsOf(tree: Node, source: string): Word[] {
  return textsOf(tree).flatMap((text) => wordsIn(text, source.slice(text.start, text.end)));
}

function wordsIn(whole: Text, text: string): Word[] {
  return [...text.matchAll(/\\.|\/\/.*|\d\w*|@?[A-Za-z_]\w*/g)].flatMap(({ 0: name, index }) => {
    const parameter = /(?<![\w.])p\.$/.test(text.slice(0, index));
    // Neither escapes, comments, numbers and attributes, nor the components of a vector.
    if (!/^[A-Za-z_]/.test(name) || (text[index - 1] === "." && !parameter)) return [];
    const [start, end] = [whole.start + index, whole.start + index + name.length];
    const follows = whole.follows && start === whole.start;
    return [{ name, start, end, parameter, follows, goesOn: whole.goesOn && end === whole.end }];
  });
}

/** What is known of all files together. */
class Census {
  /** How often a name is written. */
  readonly counts: Map<string, number> = new Map();
  /** Members that the backends declare, that others declare, and the keys of all. */
  readonly internal: Set<string> = new Set();
  readonly public: Set<string> = new Set();
  readonly keys: Set<string> = new Set();
  /** What is in quotes, and what words that are put together begin and end with. */
  readonly quoted: Set<string> = new Set();
  /** Of what is in quotes, the tags of the backends, and all that is no such. */
  readonly tags: Set<string> = new Set();
  readonly otherQuotes: Set<string> = new Set();
  readonly beginnings: Set<string> = new Set();
  readonly endings: Set<string> = new Set();
  /** Of the texts: all words, those after `p.`, what they declare, and the functions among that. */
  readonly words: Set<string> = new Set();
  readonly parameters: Set<string> = new Set();
  readonly declared: Set<string> = new Set();
  readonly functions: Set<string> = new Set();

  add(file: string, source: string): void {
    const tree = parsed(source);
    for (const node of nodesOf(tree)) {
      const key = propertyOf(node);
      if (key && MEMBER.test(node.type)) {
        const comments = node.leadingComments as readonly { readonly value: string }[] | undefined;
        const isInternal = BACKENDS.test(file) || comments?.some(({ value }) => value.includes("@internal"));
        (isInternal ? this.internal : this.public).add(key.name!);
      }
      if (key && !node.type.startsWith("TS")) this.keys.add(this.#count(key.name!));
      if (node.type === "Identifier" && PLATFORM.test(file)) this.public.add(node.name!);
    }
    // Those of types are gone when the code runs.
    const tags = new Set(BACKENDS.test(file) ? tagsOf(tree) : []);
    for (const node of nodesOf(tree, ({ type }) => !TYPE.test(type))) {
      if (node.type !== "StringLiteral") continue;
      this.quoted.add(String(node.value));
      (tags.has(node) ? this.tags : this.otherQuotes).add(String(node.value));
    }
    if (SHADERS.test(file)) this.#addTexts(tree, source);
  }

  #addTexts(tree: Node, source: string): void {
    for (const { name, parameter, follows, goesOn } of wordsOf(tree, source)) {
      this.words.add(this.#count(name));
      if (parameter) this.parameters.add(name);
      if (goesOn) this.beginnings.add(name);
      if (follows) this.endings.add(name);
      // A key that a name is put before.
      if (follows || goesOn) {
        for (const piece of name.split("_")) this.quoted.add(piece.replace(/\d+$/, ""));
      }
    }
    for (const [, word] of source.matchAll(/\b(?:let|var) ([A-Za-z_]\w*)/g)) this.declared.add(word!);
    for (const [, name, list] of source.matchAll(/\bfn ([A-Za-z_]\w*)(?:\(([^)]*)\))?/g)) {
      this.functions.add(name!);
      for (const [, word] of (list ?? "").matchAll(/(\w+):/g)) this.declared.add(word!);
    }
  }

  /** Whether a text or a key may be this name though it is not written there. */
  isPutTogether(name: string): boolean {
    const { quoted, beginnings, endings } = this;
    if (quoted.has(name) || quoted.has(name.replace(/\d+$/, ""))) return true;
    for (let at = 1; at < name.length; at++) {
      const [first, last] = [name.slice(0, at), name.slice(at)];
      if (beginnings.has(first) && (at > 2 || /^[\d_]/.test(last))) return true;
      if (endings.has(last) && (last.length > 2 || last.startsWith("_"))) return true;
      if (quoted.has(first) && quoted.has(last)) return true;
    }
    return false;
  }

  #count(name: string): string {
    this.counts.set(name, (this.counts.get(name) ?? 0) + 1);
    return name;
  }
}

/** In the order in which the minifier likes them. */
const LETTERS = "etnrsaoicuplhdmgfybvwkjxqzTPACNEDSRMLUWGIOBVFHKJYXQZ";
const SHORT = ["", ...LETTERS].flatMap((first) => [...LETTERS].map((last) => first + last));

/** Chooses names for the files that `entries` import, if only types: the shortest for what is written most often. */
export function chooseNames(root: string, entries: readonly string[]): Names {
  const census = new Census();
  for (const [file, source] of [...filesFrom(root, entries)].sort(([a], [b]) => a < b ? -1 : 1)) {
    census.add(file, source);
  }
  const { internal, quoted, parameters, functions, declared } = census;
  const foreign = foreignNames(root);
  const takenKeys = new Set([...census.keys, ...quoted, ...foreign]);
  const takenWords = new Set([...census.words, ...quoted, ...RESERVED]);
  const [properties, words] = [new Map<string, string>(), new Map<string, string>()];
  for (const [name] of [...census.counts].sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1))) {
    if (name.length < 3 || census.isPutTogether(name)) continue;
    const known = internal.has(name) || parameters.has(name) || functions.has(name);
    const isProperty = known && !foreign.has(name) && !census.public.has(name);
    // A parameter, or a function that is found in a table, has one name in both places.
    const isWord = isProperty
      ? parameters.has(name) || functions.has(name) || declared.has(name)
      : declared.has(name) && !known;
    if (!isProperty && !isWord) continue;
    const short = SHORT.find((each) =>
      !(isProperty && takenKeys.has(each)) && !(isWord && takenWords.has(each))
    )!;
    if (isProperty) takenKeys.add(short) && properties.set(name, short);
    if (isWord) takenWords.add(short) && words.set(name, short);
  }
  const tags = [...census.tags].filter((tag) => !census.otherQuotes.has(tag)).sort();
  return { properties, words, tags: new Map(tags.map((tag, i) => [tag, SHORT[i]!])) };
}

/** The sources of files and of all that they import, at once or on demand. */
function filesFrom(root: string, entries: readonly string[]): Map<string, string> {
  const sources = new Map<string, string>();
  const read = (file: string) => {
    if (sources.has(file)) return;
    const source = readFileSync(root + file, "utf8");
    sources.set(file, source);
    for (const [, path] of source.matchAll(/^[^*\n]*(?:from |import\()"(\.[^"]+)"/gm)) {
      read(posix.join(posix.dirname(file), path!));
    }
  };
  entries.forEach(read);
  return sources;
}

/** Words of WGSL that are as short. */
const RESERVED = ["as", "do", "fn", "if", "in", "is", "of"];

/** What is called so by JavaScript, by the runtime that this runs in, or by WebGPU. */
function foreignNames(root: string): Set<string> {
  const names = new Set([
    "value",
    "done",
    "get",
    "set",
    "cause",
    "index",
    "input",
    "groups",
    "promise",
    "resolve",
    "reject",
  ]);
  const seen = new Set<unknown>();
  const visit = (object: unknown, depth: number) => {
    if ((typeof object !== "object" && typeof object !== "function") || object === null || seen.has(object)) {
      return;
    }
    seen.add(object);
    for (const [name, { value }] of Object.entries(Object.getOwnPropertyDescriptors(object))) {
      names.add(name);
      if (depth > 0) visit(value, depth - 1);
    }
    visit(Object.getPrototypeOf(object), depth);
  };
  visit(globalThis, 2);
  for (const each of [[].values(), new Map().values(), (function* () {})(), (async function* () {})()]) {
    visit(each, 0);
  }
  const types = readFileSync(`${root}node_modules/@webgpu/types/dist/index.d.ts`, "utf8");
  for (const [, member, quoted] of types.matchAll(/^ +(?:readonly )?(\w+)\??[:(]|"(\w+)"/gm)) {
    names.add((member ?? quoted)!);
  }
  return names;
}

/** Gives a file the short names. */
export function shortened(file: string, tree: Node, source: string, names: Names): Edit[] {
  const edits = [...nodesOf(tree)].flatMap((node): Edit[] => {
    const key = node.type.startsWith("TS") ? null : propertyOf(node);
    const short = key && names.properties.get(key.name!);
    if (!short) return [];
    if (node.shorthand) return [{ start: node.start, end: node.start, text: `${short}: ` }];
    return [{ start: key.start, end: key.end, text: short }];
  });
  if (BACKENDS.test(file)) {
    edits.push(...privatesOf(tree, names.properties, SHORT));
    for (const tag of tagsOf(tree)) {
      const short = names.tags.get(String(tag.value));
      if (short) edits.push({ ...placeOf(tag), text: `"${short}"` });
    }
  }
  if (!SHADERS.test(file)) return edits;
  for (const { name, start, end, parameter, follows, goesOn } of wordsOf(tree, source)) {
    const short = (parameter ? names.properties : names.words).get(name);
    if (short && !follows && !goesOn) edits.push({ start, end, text: short });
  }
  return edits;
}
