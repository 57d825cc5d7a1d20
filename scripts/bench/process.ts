/**
 * A program under measurement: started, watched from outside, stopped.
 *
 * Processor time and memory come from `/proc`; on systems without it they are NaN.
 *
 * @module
 */

/** What a process has used so far. */
export interface Usage {
  /** User and system time, in seconds. */
  readonly cpuSeconds: number;
  /** Resident memory now and at its greatest, in bytes. */
  readonly residentBytes: number;
  readonly peakBytes: number;
}

/** Clock ticks a second in `/proc/PID/stat`: 100 on every Linux in use. */
const TICKS = 100;

/** How often a program's peak is looked at, in milliseconds: the last look is what counts. */
const LOOK_MS = 50;

const NOTHING: Usage = { cpuSeconds: NaN, residentBytes: NaN, peakBytes: NaN };

/** Looks at a process; null when it is gone, or where there is no `/proc`. */
export function usageOf(pid: number): Usage | null {
  try {
    const stat = Deno.readTextFileSync(`/proc/${pid}/stat`);
    // The second field is the program's name in brackets, with whatever it contains.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    const status = Deno.readTextFileSync(`/proc/${pid}/status`);
    const kilobytes = (name: string) =>
      Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(status)?.[1] ?? NaN);
    return {
      cpuSeconds: (Number(fields[11]) + Number(fields[12])) / TICKS,
      residentBytes: kilobytes("VmRSS") * 1024,
      peakBytes: kilobytes("VmHWM") * 1024,
    };
  } catch {
    return null;
  }
}

function lastLines(text: string): string {
  return text.trim().split("\n").slice(-8).join("\n");
}

/** How a program is started. */
export interface StartOptions {
  readonly env?: Record<string, string>;
  /** Keep what it prints, for {@linkcode Program.firstLine} and {@linkcode Program.output}. */
  readonly stdout?: boolean;
}

/** A started program. */
export class Program implements AsyncDisposable {
  /** When it was started: `performance.now()`. */
  readonly started: number;
  readonly #name: string;
  readonly #child: Deno.ChildProcess;
  readonly #stdout: Promise<string>;
  readonly #stderr: Promise<string>;
  readonly #end: Promise<{ code: number; at: number }>;
  readonly #timer: ReturnType<typeof setInterval>;
  readonly #first = Promise.withResolvers<string>();
  #usage: Usage = NOTHING;

  constructor(command: string, args: readonly string[], options: StartOptions = {}) {
    this.#name = [command, ...args].join(" ");
    this.started = performance.now();
    this.#child = new Deno.Command(command, {
      args: [...args],
      env: { NO_COLOR: "1", ...options.env },
      stdin: "null",
      stdout: options.stdout ? "piped" : "null",
      stderr: "piped",
    }).spawn();
    this.#stderr = new Response(this.#child.stderr).text();
    this.#stdout = options.stdout ? this.#read(this.#child.stdout) : Promise.resolve("");
    this.#first.promise.catch(() => {});
    this.#end = this.#child.status.then(({ code }) => ({ code, at: performance.now() }));
    this.#timer = setInterval(() => this.usage(), LOOK_MS);
    void this.#end.finally(() => clearInterval(this.#timer));
  }

  async #read(stream: ReadableStream<Uint8Array>): Promise<string> {
    let text = "";
    for await (const chunk of stream.pipeThrough(new TextDecoderStream() as TransformStream)) {
      text += chunk;
      const end = text.indexOf("\n");
      if (end >= 0) this.#first.resolve(text.slice(0, end));
    }
    const said = await this.#stderr;
    this.#first.reject(new Error(`${this.#name}\nprinted nothing: ${lastLines(said)}`));
    return text;
  }

  get pid(): number {
    return this.#child.pid;
  }

  /** What it has used: now, or, once it has ended, at the last look. */
  usage(): Usage {
    const usage = usageOf(this.#child.pid);
    if (usage !== null && !Number.isNaN(usage.peakBytes)) this.#usage = usage;
    return this.#usage;
  }

  /** The first line on its stdout. */
  firstLine(): Promise<string> {
    return this.#first.promise;
  }

  /**
   * Waits for its end.
   *
   * @returns when it ended (`performance.now()`) and what it printed
   * @throws {Error} with what it said on stderr, when its exit status isn't 0
   */
  async ended(): Promise<{ at: number; stdout: string }> {
    const { code, at } = await this.#end;
    if (code !== 0) {
      const said = lastLines(await this.#stderr);
      throw new Error(`${this.#name}\nended with status ${code}: ${said}`);
    }
    return { at, stdout: await this.#stdout };
  }

  /** Stops it and waits until it is gone, whatever its exit status. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    try {
      this.#child.kill("SIGTERM");
    } catch {
      // Gone already.
    }
    await this.#end;
    await Promise.all([this.#stdout.catch(() => {}), this.#stderr]);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }
}

/** Writes everything to disk that earlier measurements left in memory, so that none pays for another. */
export async function settleDisk(): Promise<void> {
  await new Deno.Command("sync").output().catch(() => {});
}
