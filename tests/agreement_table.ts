// What the agreement suite found, op by op: the worst error of its bound, and how much had to be exact. Printed after
// every run; FERMI_TABLE names a file that gets it as JSON, from which `scripts/agreement.ts` makes the table of the docs.

import type { Agreement } from "../debug/bounds.ts";
import { environment } from "./seeds.ts";

type Order = "output" | "behind" | "gradient" | "second";

/** What was found of one op. */
export interface AgreementRow {
  readonly op: string;
  /** The largest error as a fraction of its bound: of outputs, the same behind a product, gradients, and theirs. */
  readonly output: number;
  readonly behind: number;
  readonly gradient: number;
  readonly second: number;
  /** Cases of each, and elements compared in all. */
  readonly cases: Readonly<Record<Order, number>>;
  readonly elements: number;
  /** Elements that had to be the same number, and that were open. */
  readonly exact: number;
  readonly open: number;
}

type Row = { -readonly [Key in keyof AgreementRow]: AgreementRow[Key] } & {
  cases: Record<Order, number>;
};

/** The table of one run. */
export class AgreementTable {
  readonly #rows: Map<string, Row> = new Map();

  /** Adds a case of an op. */
  add(op: string, order: Order, found: readonly Agreement[]): void {
    const none = { output: 0, behind: 0, gradient: 0, second: 0 };
    const row = this.#rows.get(op) ?? { op, ...none, cases: { ...none }, elements: 0, exact: 0, open: 0 };
    this.#rows.set(op, row);
    row.cases[order]++;
    for (const { worst, exact, open, elements } of found) {
      row[order] = Math.max(row[order], worst);
      row.exact += exact;
      row.open += open;
      row.elements += elements;
    }
  }

  /** What was found of an op; nothing where no case was counted. */
  row(op: string): AgreementRow | undefined {
    return this.#rows.get(op);
  }

  /** The table, for people. */
  text(): string {
    const percent = (part: number, whole: number) => `${(100 * part / Math.max(1, whole)).toFixed(1)}%`;
    const lines = [...this.#rows.values()].map((row) => {
      const { op, output, behind, gradient, second, cases, elements, exact, open } = row;
      const cells = [
        output.toFixed(2),
        behind.toFixed(2),
        gradient.toFixed(2),
        second.toFixed(2),
        Object.values(cases).join("+"),
        elements,
        percent(exact, elements),
        percent(open, elements),
      ];
      return op.padEnd(26) + cells.map((cell, i) => `${cell}`.padStart(i === 4 ? 15 : 9)).join("");
    });
    const title =
      "worst error / bound:         output   behind gradient   second          cases elements    exact     open";
    return [title, ...lines].join("\n");
  }

  /** Writes the file that FERMI_TABLE names. */
  async keep(adapter: string): Promise<void> {
    const file = environment["FERMI_TABLE"];
    if (file === undefined) return;
    const { writeFile } = await import("node:fs/promises");
    await writeFile(file, JSON.stringify({ adapter, rows: [...this.#rows.values()] }));
  }
}
