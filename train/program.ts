/**
 * What the commands share: how they end, and what they say when they fail.
 *
 * @module
 */

import { Command, CommanderError } from "commander";
import process from "node:process";
import { FolderInUseError } from "../data/folder_lock.ts";
import { UsageError } from "./usage_error.ts";

const BAD_USAGE = 2;
const FAILED = 1;

/** Text in one line, for messages. */
export function oneLine(text: string): string {
  return text.trim().replace(/\s*\n\s*/g, " ");
}

/** A command without flags yet, whose mistakes are one line. */
export function makeCommand(name: string, description: string): Command {
  return new Command(name)
    .description(description)
    .helpOption("--help", "print this, and end")
    .allowExcessArguments(false)
    .exitOverride()
    .configureOutput({ outputError: (text, write) => write(oneLine(text) + "\n") });
}

/**
 * Runs a command: a mistake becomes one line that starts with `error:`, and exit code 2 (usage) or 1 (everything else).
 *
 * @param main takes the arguments
 * @param howToRun what to type so that Deno grants what was missing, which it is told in Deno's words
 */
export async function runProgram(
  main: (args: readonly string[]) => Promise<void>,
  howToRun: (missing: string) => string,
): Promise<void> {
  // A reader that has seen enough, as in `train.ts --json | head`, is no error.
  process.stdout.on("error", (error: Error & { code?: string }) => {
    if (error.code !== "EPIPE") throw error;
    process.exit(0);
  });
  try {
    await main(process.argv.slice(2));
  } catch (error) {
    if (error instanceof CommanderError) {
      // Commander has written its own line.
      process.exitCode = error.exitCode === 0 ? 0 : BAD_USAGE;
    } else {
      process.stderr.write(`error: ${explain(error, howToRun)}\n`);
      const isUsage = error instanceof UsageError || error instanceof FolderInUseError;
      process.exitCode = isUsage ? BAD_USAGE : FAILED;
    }
  }
}

/** One line for whoever typed the command. Deno without a terminal cannot ask for what it was not granted. */
export function explain(error: unknown, howToRun: (missing: string) => string): string {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if (cause.name !== "NotCapable") continue;
    const missing = oneLine(cause.message.split(", run again")[0]!);
    return `${missing}: use \`${howToRun(missing)}\``;
  }
  return oneLine(error instanceof Error ? error.message : String(error));
}
