/**
 * What a command says of flags that do not go together.
 *
 * @module
 */

/** Settings that do not go together. */
export class UsageError extends Error {
  /** The message says what to do. */
  override readonly name = "UsageError";
}
