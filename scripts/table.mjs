// The table at the end of a test run, and what is wrong with it even where every test passed.

const COLUMNS = ["suite", "runtime", "WebGPU", "adapter", "tests", "passed", "seconds"];

/** The results as a table, and complaints: a test that was skipped, or a suite that was not the same everywhere. */
export function formatTable(results) {
  const rows = results.map(({ suite, runtime, webgpu, adapter, tests, passed, seconds }) =>
    [
      suite,
      runtime,
      webgpu,
      adapter,
      tests,
      passed,
      seconds,
    ].map(String)
  ).sort((a, b) => (a[0] + a[1] < b[0] + b[1] ? -1 : 1));
  const widths = COLUMNS.map((name, i) => Math.max(name.length, ...rows.map((row) => row[i].length)));
  const line = (cells) =>
    cells.map((cell, i) => i < 4 ? cell.padEnd(widths[i]) : cell.padStart(widths[i])).join("  ");
  const complaints = [];
  for (const suite of new Set(results.map((result) => result.suite))) {
    const counts = new Set(results.filter((result) => result.suite === suite).map(({ tests }) => tests));
    if (counts.size > 1) {
      complaints.push(`${suite}: not the same tests everywhere (${[...counts].join(", ")})`);
    }
    if (counts.has(0)) complaints.push(`${suite}: no tests`);
  }
  for (const { suite, runtime, webgpu, adapter, skipped } of results) {
    if (skipped > 0) complaints.push(`${suite} in ${runtime}: ${skipped} skipped`);
    if (webgpu && !adapter) complaints.push(`${suite} in ${runtime}: on no adapter`);
  }
  return { table: [line(COLUMNS), ...rows.map(line)].join("\n"), complaints };
}
