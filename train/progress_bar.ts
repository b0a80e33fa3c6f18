/**
 * The bar of an epoch, for terminals: how far it is, how it goes, and how long it and the run will take.
 *
 * @module
 */

/** What a bar shows. */
export interface BarState {
  /** From 1. */
  readonly epoch: number;
  readonly epochs: number;
  /** Steps of the epoch that were made. */
  readonly made: number;
  /** Steps of the epoch. */
  readonly steps: number;
  /** The mean of the epoch so far. */
  readonly loss: number;
  /** The share of the epoch's images so far that were taken for another class. */
  readonly error: number;
  readonly imagesPerSecond: number;
  /** Seconds that are left: of the epoch, and of the run. */
  readonly left: { readonly epoch: number; readonly run: number };
  /** Seconds that the epoch took; it is over then. */
  readonly took?: number;
}

const DONE = "━";
const TO_DO = "─";
/** A shorter bar says nothing, a longer one no more. */
const LENGTH = { least: 8, most: 32 } as const;

/** Draws a bar in less than `columns` letters; where there is little room, what matters least is left out first. */
export function drawBar(state: BarState, columns: number): string {
  const { epoch, epochs, made, steps, loss, error, imagesPerSecond, left, took } = state;
  const speed = imagesPerSecond < 10 ? imagesPerSecond.toFixed(1) : imagesPerSecond.toFixed(0);
  const pad = (value: number, of: number) => String(value).padStart(String(of).length);
  const time = took !== undefined ? `in ${clock(took)}` : `${clock(left.epoch)} left, run ${clock(left.run)}`;
  const head = `epoch ${pad(epoch, epochs)}/${epochs}`;
  // In the order in which they stand, each with its weight.
  const parts: readonly (readonly [string, number])[] = [
    [`${pad(made, steps)}/${steps}`, 1],
    [`loss ${loss.toFixed(3)}`, 5],
    [`error ${(100 * error).toFixed(1).padStart(4)}%`, 4],
    [`${speed.padStart(3)} images/s`, 2],
    [time, 3],
  ];
  const room = columns - 1;
  for (let least = 1; least <= 5; least++) {
    const text = parts.filter(([, weight]) => weight >= least).map(([part]) => part).join("  ");
    const length = Math.min(LENGTH.most, room - head.length - text.length - 3);
    if (length < LENGTH.least) continue;
    const full = Math.floor(length * made / steps);
    return `${head} ${DONE.repeat(full)}${TO_DO.repeat(length - full)}  ${text}`;
  }
  return `${head}  loss ${loss.toFixed(3)}`.slice(0, Math.max(0, room));
}

/** Minutes and seconds, and hours where there are any: 1:02:03. */
export function clock(seconds: number): string {
  if (!Number.isFinite(seconds)) return "?";
  const whole = Math.round(seconds);
  const pad = (value: number) => String(value).padStart(2, "0");
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  return `${hours > 0 ? `${hours}:${pad(minutes)}` : minutes}:${pad(whole % 60)}`;
}
