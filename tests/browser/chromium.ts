// Chromium with WebGPU on SwiftShader, so that a page computes on every machine alike.

import { type Browser, chromium } from "playwright-core";
import { chromiumPath } from "./chromium_path.mjs";

const FLAGS = [
  "--enable-unsafe-webgpu",
  "--use-webgpu-adapter=swiftshader",
  "--enable-features=Vulkan",
  // SwiftShader may compile for longer than its watch takes for hanging, and it would end the process of all devices.
  "--disable-gpu-watchdog",
  // It has nothing to ask of any network.
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--no-first-run",
];

/** Starts Chromium without a window. */
export async function openChromium(): Promise<Browser> {
  const executablePath = chromiumPath();
  if (executablePath === undefined) throw new Error("no Chromium is found: set CHROMIUM to its path");
  // Its sandbox wants a user other than root, or a kernel that allows user namespaces.
  return await chromium.launch({ executablePath, args: FLAGS, chromiumSandbox: false });
}
