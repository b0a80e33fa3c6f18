// `node:test` as far as the suite uses it, for a page: collects the tests of the file that the page imports.

type Work = () => void | Promise<void>;

const tests: { readonly name: string; readonly work: Work }[] = [];
const afterwards: Work[] = [];

/** What became of a test. */
export interface Result {
  readonly name: string;
  readonly seconds: number;
  /** The error's text, null when the test passed. */
  readonly failure: string | null;
}

/** Adds a test. */
export function test(name: string, work: Work): void {
  tests.push({ name, work });
}

/** Adds what is done after the last test. */
export function after(work: Work): void {
  afterwards.push(work);
}

/** Runs the tests in the order in which they were added, one at a time. */
export async function run(report: (result: Result) => Promise<void>): Promise<void> {
  for (const { name, work } of tests) await report(await outcome(name, work));
  for (const work of afterwards) {
    const result = await outcome("after the tests", work);
    if (result.failure !== null) await report(result);
  }
}

async function outcome(name: string, work: Work): Promise<Result> {
  const start = performance.now();
  let failure: string | null = null;
  try {
    await work();
  } catch (error) {
    failure = describe(error);
  }
  return { name, seconds: (performance.now() - start) / 1000, failure };
}

function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause === undefined ? "" : `\ncaused by: ${describe(error.cause)}`;
  return `${error.stack ?? error.message}${cause}`;
}
