// Runs for the tests to look at, started as anybody would start them.

import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { ask, until } from "./harness";

const run = promisify(execFile);

/** What a command of Dal Segno prints, in the folder of the cluster. */
export async function dalsegno(...words: string[]): Promise<string> {
  const [command, ...rest] = (process.env.DALSEGNO ?? "dalsegno").split(" ");
  const done = await run(command ?? "", [...rest, ...words], {
    cwd: process.env.CONSOLE_FOLDER,
    maxBuffer: 64 * 1024 * 1024,
  });
  return done.stdout;
}

export async function start(workflow: string, id: string, input: unknown = {}): Promise<void> {
  const words = ["run", "start", `${workflow}.yaml`, "--id", id, "--input", JSON.stringify(input)];
  await dalsegno(...words);
}

export interface ShownRun {
  status: string;
  version: number;
}

export async function ended(id: string): Promise<ShownRun> {
  return until(
    () => ask<ShownRun>(`/runs/${id}`),
    (seen) => ["completed", "failed", "cancelled"].includes(seen.status),
  );
}
