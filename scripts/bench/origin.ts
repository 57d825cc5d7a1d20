/**
 * Starts the benchmark's origin, and asks it what it saw.
 *
 * @module
 */

import { fileURLToPath } from "node:url";
import type { Data } from "./data.ts";
import type { OriginReport } from "./origin_process.ts";
import { Program } from "./process.ts";

/** An origin with finite answers: see `origin_process.ts`. */
export class BenchOrigin implements AsyncDisposable {
  readonly url: string;
  readonly data: Data;
  readonly #program: Program;

  private constructor(url: string, data: Data, program: Program) {
    this.url = url;
    this.data = data;
    this.#program = program;
  }

  static async start(data: Data): Promise<BenchOrigin> {
    const script = fileURLToPath(new URL("./origin_process.ts", import.meta.url));
    const args = ["run", "-A", script, JSON.stringify(data)];
    const program = new Program(Deno.execPath(), args, { stdout: true });
    return new BenchOrigin(await program.firstLine(), data, program);
  }

  /** Serves another generation from now on, or only its first `rows` rows. */
  async turnTo(generation: number, rows = this.data.rows): Promise<void> {
    const url = new URL(`/bench/${generation}?rows=${rows}`, this.url);
    await (await fetch(url, { method: "POST" })).body?.cancel();
  }

  async report(): Promise<OriginReport> {
    return await (await fetch(new URL("/bench", this.url))).json();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#program.stop();
  }
}

/** The order of a live origin's first record; each further one's is higher by 1. */
export const LIVE_BASE = 1_700_000_000_000;

/** The reference origin with live changes, and endless answers unless asked otherwise. */
export class LiveOrigin implements AsyncDisposable {
  readonly url: string;
  readonly #program: Program;

  private constructor(url: string, program: Program) {
    this.url = url;
    this.#program = program;
  }

  static async start(rows: number, keys: Data["keys"] = "random"): Promise<LiveOrigin> {
    const script = fileURLToPath(new URL("../origin/main.ts", import.meta.url));
    const args = ["run", "-A", script, "--data", "synthetic", "--keys", keys];
    args.push("--count", String(rows), "--base", String(LIVE_BASE), "--port", "0");
    const program = new Program(Deno.execPath(), args, { stdout: true });
    const { url } = JSON.parse(await program.firstLine());
    return new LiveOrigin(url, program);
  }

  /** Changes a second from now on. */
  async setRate(rate: number): Promise<void> {
    await (await fetch(new URL(`/rate/${rate}`, this.url), { method: "POST" })).body?.cancel();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#program.stop();
  }
}
