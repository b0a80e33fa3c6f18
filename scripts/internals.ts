// What the backends call by names of their own that are no properties of theirs to begin with: the private names of classes,
// which become properties, and the kinds of objects.

import { type Edit, MEMBER, type Node, nodesOf, placeOf, propertyOf, TYPE } from "./syntax.ts";

/** The private names of classes of the backends, which extend none: each class's as short as its other members allow. */
export function privatesOf(
  tree: Node,
  properties: ReadonlyMap<string, string>,
  shortNames: readonly string[],
): Edit[] {
  const nodes = [...nodesOf(tree)];
  const members = new Set(
    nodes.filter(({ type }) => MEMBER.test(type)).map(propertyOf).map((key) => key?.name),
  );
  const taken = new Set([...members].map((name) => properties.get(name!) ?? name));
  const free = shortNames.filter((name) => !taken.has(name));
  const found = nodes.filter(({ type }) => type === "PrivateName");
  const order = byFrequency(found);
  return found.map((node) => ({ ...placeOf(node), text: free[order.indexOf(nameOfPrivate(node))]! }));
}

const nameOfPrivate = (node: Node) => String((node.id as Node).name);

/** Private names, the most frequent first. */
export function byFrequency(found: readonly Node[]): string[] {
  const counts = new Map<string, number>();
  for (const node of found) counts.set(nameOfPrivate(node), (counts.get(nameOfPrivate(node)) ?? 0) + 1);
  return [...counts].sort(([, a], [, b]) => b - a).map(([name]) => name);
}

/** The names in quotes by which the backends tell kinds of objects apart: those of `kind`, where they are given and compared. */
export function tagsOf(tree: Node): Node[] {
  const isKind = (node: Node) =>
    node.name === "kind" || (/MemberExpression$/.test(node.type) && (node.property as Node).name === "kind");
  const tags = [...nodesOf(tree, ({ type }) => !TYPE.test(type))].flatMap((node) => {
    const { type, key, value, left, right, discriminant, cases } = node as Readonly<Record<string, unknown>>;
    if (type === "ObjectProperty") return isKind(key as Node) ? [value as Node] : [];
    if (type === "BinaryExpression") return isKind(left as Node) ? [right as Node] : [];
    if (type !== "SwitchStatement" || !isKind(discriminant as Node)) return [];
    return (cases as Node[]).flatMap(({ test }) => test as Node | null ?? []);
  });
  return tags.filter(({ type }) => type === "StringLiteral");
}
