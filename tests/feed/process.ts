/**
 * Replicas as processes: started, killed and started again where they were.
 *
 * @module
 */

import { join } from "node:path";
import type { ReplicatorOptions } from "../../src/replica/options.ts";
import type { TableStatus } from "../../src/replica/status.ts";
import { waitFor } from "../support/wait_for.ts";

const RUNNER = new URL("./runner.ts", import.meta.url);

/** One process; it keeps its port and its store from one life to the next. */
export class FeedProcess implements AsyncDisposable {
  readonly #url: string;
  readonly #kv: string;
  #child: Deno.ChildProcess | null = null;
  port = 0;
  /** Options of the library, for its next life. */
  options: Partial<ReplicatorOptions>;

  private constructor(url: string, kv: string, options: Partial<ReplicatorOptions>) {
    this.#url = url;
    this.#kv = kv;
    this.options = options;
  }

  static async start(
    url: string,
    folder: string,
    name: string,
    options: Partial<ReplicatorOptions> = {},
  ): Promise<FeedProcess> {
    const process = new FeedProcess(url, join(folder, `${name}.kv`), options);
    await process.start();
    return process;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}/feed/servers`;
  }

  get kv(): string {
    return this.#kv;
  }

  async start(): Promise<void> {
    const child = new Deno.Command(Deno.execPath(), {
      args: [
        ...["run", "-A", "--quiet", RUNNER.pathname, this.#url, this.#kv, String(this.port)],
        JSON.stringify(this.options),
      ],
      stdout: "piped",
      stderr: "null",
    }).spawn();
    this.#child = child;
    let text = "";
    for await (const piece of child.stdout.pipeThrough(new TextDecoderStream())) {
      text += piece;
      if (text.includes("\n")) break;
    }
    if (!text.includes("\n")) throw new Error("the process ended before it had a port");
    this.port = Number(text.trim());
  }

  /** Ends it without a word. */
  async kill(): Promise<void> {
    this.#child?.kill("SIGKILL");
    await this.#child?.status;
    this.#child = null;
  }

  /** Ends it in order. */
  async stop(): Promise<void> {
    this.#child?.kill("SIGTERM");
    await this.#child?.status;
    this.#child = null;
  }

  /** Its table's status, and its memory; null while it does not answer. */
  async status(): Promise<{ table: TableStatus; memoryBytes: number } | null> {
    try {
      const answer = await fetch(`http://127.0.0.1:${this.port}/status`);
      const status = await answer.json();
      return { table: status.tables[0], memoryBytes: status.memoryBytes };
    } catch {
      return null;
    }
  }

  /** Posts to its table. */
  async post(what: "resync" | "approve-sweep"): Promise<void> {
    const answer = await fetch(`http://127.0.0.1:${this.port}/tables/servers/${what}`, {
      method: "POST",
      headers: { "sec-fetch-site": "same-origin" },
    }).catch(() => null);
    await answer?.body?.cancel();
  }

  /** Like {@linkcode reached}; sweeps that are held, for want of a proven end, are approved. */
  async settled(cursor: string, deadlineMs = 60_000): Promise<void> {
    const approving = new AbortController();
    const done = this.reached(cursor, deadlineMs).finally(() => approving.abort());
    while (!approving.signal.aborted) {
      if ((await this.status())?.table.sweep?.state === "held") await this.post("approve-sweep");
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    await done;
  }

  /** Waits until it is live at a cursor. */
  async reached(cursor: string, deadlineMs = 40_000): Promise<void> {
    let last: unknown = null;
    await waitFor(
      async () => {
        const table = (await this.status())?.table;
        last = table && {
          state: table.state,
          cursor: table.cursor,
          errors: table.errors[0],
          sweep: table.sweep,
        };
        return table?.live && table.cursor === cursor && table.sweep === null;
      },
      `live at ${cursor}`,
      deadlineMs,
    ).catch((error) => {
      throw new Error(`${error.message}: ${this.#kv}: ${JSON.stringify(last)}`);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
  }
}
