/**
 * The self-extracting executable: a shell script, and behind it, gzipped, the program and the Deno
 * runtime. What happens on the host is told in `stub.sh`.
 *
 * @module
 */

import { RUNTIME_FLAGS } from "../permissions.ts";
import { machineOf } from "./platform.ts";
import type { Build } from "./program.ts";

/** Flags that keep `deno run` to the one file it is given. */
const CLOSED = [
  "--no-config",
  "--no-lock",
  "--no-remote",
  "--no-npm",
  "--cached-only",
  "--no-check",
];

/**
 * The stub keeps the runtime's caches in its own folder by environment variables; commands that
 * the program runs shall see what the user set.
 */
const PUT_BACK = "{const e=Deno.env,d=e.get('LOCKSTEP_OUTER_DENO_DIR');" +
  "e.delete('LOCKSTEP_OUTER_DENO_DIR');e.delete('DENO_NO_UPDATE_CHECK');" +
  "d===undefined?e.delete('DENO_DIR'):e.set('DENO_DIR',d)}\n";

/** Options of {@linkcode selfExtracting}. */
export interface SelfExtractingOptions {
  /** The Deno executable to carry. Default: the one that runs this. */
  readonly runtime?: string;
  /** Keeps the gzipped runtime here between builds: gzipping it is most of the work. */
  readonly gzipCache?: string;
}

/**
 * Puts the executable together.
 *
 * @returns the executable's bytes
 * @throws {Error} when the runtime is no executable that the stub can start
 */
export async function selfExtracting(
  bundle: string,
  build: Build,
  options: SelfExtractingOptions = {},
): Promise<Uint8Array<ArrayBuffer>> {
  const path = options.runtime ?? Deno.execPath();
  const runtime = await Deno.readFile(path);
  const program = new TextEncoder().encode(PUT_BACK + bundle);
  const parts = {
    program: await packed(program),
    runtime: await packed(runtime, options.gzipCache),
  };
  const { system, machine, loader } = headersOf(path, runtime);
  const facts = {
    VERSION: build.version,
    COMMIT: build.commit,
    SYSTEM: system,
    MACHINE: machine,
    LOADER: loader,
    FLAGS: [...CLOSED, ...RUNTIME_FLAGS].join(" "),
    PROGRAM_NAME: `program-${parts.program.hash}.mjs`,
    PROGRAM_PACKED: parts.program.gzip.length,
    PROGRAM_SIZE: program.length,
    // What process lists show, cut to 15 characters.
    RUNTIME_NAME: `lockstep-replicate-${parts.runtime.hash}`,
    RUNTIME_SIZE: runtime.length,
  };
  const stub = await stubWith(facts, parts.program.gzip.length, parts.runtime.gzip.length);
  return concatenated([stub, parts.program.gzip, parts.runtime.gzip]);
}

function headersOf(path: string, runtime: Uint8Array) {
  try {
    return machineOf(runtime);
  } catch (error) {
    throw new Error(`${path} can't be carried: ${error instanceof Error ? error.message : error}`);
  }
}

/** The stub tells where the parts begin, which depends on how long the stub is: until it fits. */
async function stubWith(
  facts: Readonly<Record<string, string | number>>,
  programPacked: number,
  runtimePacked: number,
): Promise<Uint8Array> {
  const template = await Deno.readTextFile(new URL("stub.sh", import.meta.url));
  let length = template.length;
  while (true) {
    const programEnd = length + programPacked;
    const stub = new TextEncoder().encode(filled(template, {
      ...facts,
      PROGRAM_END: programEnd,
      RUNTIME_START: programEnd + 1, // `tail -c +N` counts from 1
      WHOLE_SIZE: programEnd + runtimePacked,
    }));
    if (stub.length === length) return stub;
    length = stub.length;
  }
}

function filled(template: string, facts: Readonly<Record<string, string | number>>): string {
  return template.replace(/@([A-Z_]+)@/g, (_, name: string) => {
    const fact = facts[name];
    if (fact === undefined) throw new Error(`stub.sh asks for @${name}@, which nobody knows`);
    return String(fact);
  });
}

/** Gzipped contents, and the part of their hash that goes into a file name. */
async function packed(contents: Uint8Array<ArrayBuffer>, cache?: string) {
  const hash = (await sha256(contents)).slice(0, 16);
  const kept = cache === undefined ? null : `${cache}/${hash}.gz`;
  if (kept !== null) {
    try {
      return { hash, gzip: await Deno.readFile(kept) };
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
  const stream = new Blob([contents]).stream().pipeThrough(new CompressionStream("gzip"));
  const gzip = new Uint8Array(await new Response(stream).arrayBuffer());
  if (kept !== null) {
    const unfinished = `${kept}.${Deno.pid}`;
    await Deno.writeFile(unfinished, gzip);
    await Deno.rename(unfinished, kept);
  }
  return { hash, gzip };
}

async function sha256(contents: Uint8Array<ArrayBuffer>): Promise<string> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", contents)).toHex();
}

function concatenated(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    whole.set(part, offset);
    offset += part.length;
  }
  return whole;
}
