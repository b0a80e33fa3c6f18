// The devices that the suite runs on; a test of what does not depend on the backend loops over them.

import { type Device, device } from "../mod.ts";

let opened: Promise<Device[]> | null = null;

/** Every device, opened once a test file. */
export function devices(): Promise<Device[]> {
  return opened ??= Promise.all([device("cpu")]);
}
