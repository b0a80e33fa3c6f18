/**
 * Ctrl-C and SIGTERM as an `AbortSignal`.
 *
 * @module
 */

const SIGNALS = ["SIGINT", "SIGTERM"] as const;

/** A signal that the first Ctrl-C or SIGTERM sets; the second one ends the process at once. */
export interface Interrupt {
  /** Set by the first one, whose name, `SIGINT` or `SIGTERM`, is the reason. */
  readonly signal: AbortSignal;
  /** Stops listening. */
  release(): void;
}

/** Listens for Ctrl-C and SIGTERM. */
export async function listenForInterrupt(): Promise<Interrupt> {
  const { default: process } = await import("node:process");
  const controller = new AbortController();
  const listeners = SIGNALS.map((name) => ({ name, stop: () => (release(), controller.abort(name)) }));
  const release = () => listeners.forEach(({ name, stop }) => process.off(name, stop));
  for (const { name, stop } of listeners) process.on(name, stop);
  return { signal: controller.signal, release };
}
