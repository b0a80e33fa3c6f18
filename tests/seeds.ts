// The seed and the number of runs of the property-based tests: fixed by default, so that a run is a check and not a lottery.

/** A page has no environment. */
const environment: Record<string, string | undefined> =
  (globalThis as { process?: { env: Record<string, string | undefined> } }).process?.env ?? {};
const { FERMI_SEED = "2012", FERMI_RUNS, FERMI_SHRINK } = environment;

/** What all samples are drawn from. */
export const seed: number = Number(FERMI_SEED);

/** How many samples to draw where `usual` are the default; FERMI_RUNS is a percentage of it. */
export function runs(usual: number): number {
  return Math.max(1, Math.round(usual * Number(FERMI_RUNS ?? 100) / 100));
}

/** What fast-check is told besides; FERMI_SHRINK=0 ends at the first failure, for who only wants to know that there is one. */
export const shrinking: { readonly endOnFailure: boolean } = { endOnFailure: FERMI_SHRINK === "0" };

/** Runs a property; when it fails, says how to see the same failure again. */
export async function replay(property: () => Promise<void>, file: string, filter?: string): Promise<void> {
  try {
    await property();
  } catch (error) {
    const options = filter === undefined ? "-A" : `-A --filter='/: ${filter}$/'`;
    console.error(
      `replay: FERMI_SEED=${seed} FERMI_RUNS=${FERMI_RUNS ?? 100} deno test ${options} tests/${file}`,
    );
    throw error;
  }
}
