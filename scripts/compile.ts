/**
 * `deno task compile`: the program as one executable file.
 *
 * @module
 */

import { parseArgs } from "node:util";
import { compileNative } from "./compile/native.ts";
import { type Target, TARGETS } from "./compile/platform.ts";
import { bundleProgram, currentBuild } from "./compile/program.ts";
import { repositoryPath } from "./compile/run.ts";
import { selfExtracting } from "./compile/self_extracting.ts";

const USAGE = `Usage: deno task compile [--output PATH] [--target TARGET] [--self-extracting]

  --output PATH       where to put the executable (default ./lockstep-replicate)
  --target TARGET     build for another platform: ${TARGETS.join(", ")}
  --self-extracting   carry this machine's Deno instead of Deno's base runtime (denort)
  --runtime FILE      with --self-extracting: carry this Deno executable, of any Linux or macOS

Without a network, give the base runtime as DENORT_BIN=FILE, or lay it at
$DENO_DIR/dl/release/v${Deno.version.deno}/denort-TARGET.zip. Where it can't be had, and the target is
this machine, the self-extracting executable is built.
`;

interface Order {
  readonly output: string;
  readonly target: Target | undefined;
  readonly selfExtracting: boolean;
  readonly runtime: string | undefined;
}

/** What to build, or null when only the usage was asked for. */
function orderOf(args: readonly string[]): Order | null {
  const { values } = parseArgs({
    args: [...args],
    options: {
      output: { type: "string", short: "o" },
      target: { type: "string" },
      "self-extracting": { type: "boolean", default: false },
      runtime: { type: "string" },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  if (values.help) return null;
  const target = TARGETS.find((known) => known === values.target);
  if (values.target !== undefined && target === undefined) {
    throw new Error(`--target ${values.target} is none of ${TARGETS.join(", ")}`);
  }
  const selfExtracting = values["self-extracting"] || values.runtime !== undefined;
  if (selfExtracting && target !== undefined && target !== Deno.build.target) {
    throw new Error("a self-extracting executable for another machine needs its Deno: --runtime");
  }
  const suffix = (target ?? Deno.build.target).includes("windows") ? ".exe" : "";
  return {
    output: withSuffix(values.output ?? repositoryPath("lockstep-replicate"), suffix),
    target,
    selfExtracting,
    runtime: values.runtime,
  };
}

function withSuffix(path: string, suffix: string): string {
  return path.endsWith(suffix) ? path : path + suffix;
}

async function build(order: Order): Promise<void> {
  const build = await currentBuild();
  const bundle = await bundleProgram(build);
  if (!order.selfExtracting) {
    const { output, target } = order;
    const outcome = await compileNative(bundle, { output, ...(target && { target }) });
    if (outcome === "built") return await say(order, "compiled");
    if (target !== undefined && target !== Deno.build.target) {
      throw new Error(
        `the base runtime for ${target} can't be downloaded from dl.deno.land; give it as ` +
          "DENORT_BIN=FILE (see --help)",
      );
    }
    console.error(
      "The base runtime can't be downloaded from dl.deno.land: building the self-extracting " +
        "executable instead.",
    );
  }
  const { runtime } = order;
  const executable = await selfExtracting(bundle, build, runtime === undefined ? {} : { runtime });
  await writeExecutable(order.output, executable);
  await say(order, "self-extracting");
}

/** Written beside and renamed: a running executable is replaced, never written into. */
async function writeExecutable(path: string, contents: Uint8Array): Promise<void> {
  const unfinished = `${path}.${Deno.pid}`;
  try {
    await Deno.writeFile(unfinished, contents);
    await Deno.chmod(unfinished, 0o755);
    await Deno.rename(unfinished, path);
  } catch (error) {
    await Deno.remove(unfinished).catch(() => {});
    throw error;
  }
}

async function say(order: Order, how: string): Promise<void> {
  const { size } = await Deno.stat(order.output);
  console.error(`${order.output}: ${how}, ${(size / 1e6).toFixed(1)} MB`);
}

if (import.meta.main) {
  try {
    const order = orderOf(Deno.args);
    if (order === null) console.log(USAGE);
    else await build(order);
  } catch (error) {
    console.error(`compile: ${error instanceof Error ? error.message : error}`);
    Deno.exit(1);
  }
}
