/**
 * A replicator in a process of its own that kills itself at a named point. The arguments are one
 * JSON object, {@linkcode CrashOptions}.
 *
 * @module
 */

import { replicate } from "../../src/replica/replicator.ts";
import { systemClock } from "../../src/base/clock.ts";
import { FastClock } from "./fast_clock.ts";
import { CommitHook } from "./commit_hook.ts";

/** What the process is told. */
export interface CrashOptions {
  readonly url: string;
  readonly kv: string;
  readonly table?: string;
  /** SIGKILL itself before (`-n`) or after (`n`) the n-th commit; 0 never. */
  readonly killAt: number;
  /** Count only from the moment a sweep removes rows. */
  readonly inSweep?: boolean;
  readonly resync?: boolean;
  readonly once?: boolean;
  /** With `once`: failures in a row after which to give up. */
  readonly attempts?: number;
  /** How much faster than the machine's its time goes; default 1. */
  readonly pace?: number;
}

/** Dies as by a power cut: no destructor runs. */
function die(): Promise<never> {
  Deno.kill(Deno.pid, "SIGKILL");
  return new Promise(() => {});
}

if (import.meta.main) {
  const options: CrashOptions = JSON.parse(Deno.args[0] ?? "{}");
  let counting = options.inSweep !== true;
  let commits = 0;
  using _hook = new CommitHook(
    () => {
      counting ||= isSweeping();
      if (!counting) return;
      commits++;
      if (-commits === options.killAt) return die();
    },
    () => {
      if (counting && commits === options.killAt) return die();
    },
  );
  let isSweeping = () => false;
  const { url, kv, table = "servers", resync = false, once = true, attempts = 5, pace = 1 } =
    options;
  const replicator = await replicate({
    sources: [{ url, table }],
    kv,
    resync,
    once,
    attempts,
    pollMs: 1,
    shrinkLimit: 1,
    clock: pace === 1 ? systemClock : new FastClock(pace),
  });
  isSweeping = () => replicator.status().tables[0]?.sweep?.state === "removing";
  console.log("started");
  const stop = () => void replicator.stop();
  Deno.addSignalListener("SIGTERM", stop);
  try {
    await replicator.done;
  } finally {
    Deno.removeSignalListener("SIGTERM", stop);
  }
}
