/**
 * What a scenario is.
 *
 * @module
 */

import type { Section } from "./report.ts";

/** How large a benchmark is run. */
export interface Settings {
  /** Small records in a catch-up. */
  readonly rows: number;
  /** Runs of each measurement. */
  readonly runs: number;
  /** Records of the long run. */
  readonly longRows: number;
  /** Length of one steady-state measurement, in seconds. */
  readonly steadySeconds: number;
  readonly idleSeconds: number;
  /** Participants to take part, by name; null for all. */
  readonly only: readonly string[] | null;
  /** Shapes of records to take part; null for all. */
  readonly shapes: readonly string[] | null;
  /** Where stores are made. */
  readonly folder: string;
  /** Told what is going on. */
  readonly say: (text: string) => void;
}

/** One thing to measure. */
export interface Scenario {
  readonly about: string;
  run(settings: Settings): Promise<Section>;
}

/** Calls `body` with a new folder that is removed afterwards. */
export async function inFolder<T>(
  parent: string,
  body: (folder: string) => Promise<T>,
): Promise<T> {
  const folder = await Deno.makeTempDir({ dir: parent, prefix: "store-" });
  try {
    return await body(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Resolves after so many seconds. */
export function seconds(count: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, count * 1000));
}
