/**
 * The programs that some tests look at ours with. A machine without one of them skips those tests,
 * and their names say how to get it: `new Deno.Command(…)` throws where a program is missing.
 *
 * @module
 */

import { statSync } from "node:fs";

/** Debian's package of a program, where it has another name. */
const PACKAGES: Readonly<Record<string, string>> = {
  chromium: "chromium",
  haproxy: "haproxy",
  ipset: "ipset",
  man: "man-db",
  mount: "mount",
  nft: "nftables",
  nginx: "nginx-light",
  nsenter: "util-linux",
  promtool: "prometheus",
  "systemd-analyze": "systemd",
  "systemd-nspawn": "systemd-container",
};

/** Where a program may be that an ordinary user's PATH doesn't name. */
const MORE_FOLDERS = ["/usr/sbin", "/sbin"];

/** The path of a program; null where this machine hasn't got it. */
export function findTool(name: string): string | null {
  for (const folder of [...(Deno.env.get("PATH") ?? "").split(":"), ...MORE_FOLDERS]) {
    if (folder === "") continue;
    const path = `${folder}/${name}`;
    const info = statSync(path, { throwIfNoEntry: false });
    if (info?.isFile() && (info.mode & 0o111) !== 0) return path;
  }
  return null;
}

/** Why tests that need these programs are skipped here; null where all of them are there. */
export function missing(...names: readonly string[]): string | null {
  const gone = names.filter((name) => findTool(name) === null);
  if (gone.length === 0) return null;
  const packages = gone.map((name) => PACKAGES[name] ?? name);
  return `${gone.join(", ")} missing: apt-get install ${[...new Set(packages)].join(" ")}`;
}

/** A test that needs these programs; without them it is skipped, and its name says why. */
export function testWith(
  tools: readonly string[],
  name: string,
  fn: (test: Deno.TestContext) => void | Promise<void>,
): void {
  testUnless(missing(...tools), name, fn);
}

/** A test that is skipped for a reason, which its name gives. */
export function testUnless(
  reason: string | null,
  name: string,
  fn: (test: Deno.TestContext) => void | Promise<void>,
): void {
  Deno.test({
    name: reason === null ? name : `${name} (skipped: ${reason})`,
    ignore: reason !== null,
    fn,
  });
}

/** What a program said. */
export interface Said {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program to its end. A program that isn't there is a rejection, like any other failure. */
export async function runTool(
  name: string,
  args: readonly string[],
  options: { readonly stdin?: string; readonly env?: Readonly<Record<string, string>> } = {},
): Promise<Said> {
  await using child = new Deno.Command(findTool(name) ?? name, {
    args: [...args],
    env: { ...options.env },
    stdin: options.stdin === undefined ? "null" : "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const output = child.output();
  if (options.stdin !== undefined) {
    const writer = child.stdin.getWriter();
    await writer.write(new TextEncoder().encode(options.stdin));
    await writer.close();
  }
  const { code, stdout, stderr } = await output;
  const decoder = new TextDecoder();
  return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}

/** Where file systems can't be mounted: the reason. */
let mounts: Promise<string | null> | undefined;

/** Why file systems can't be mounted here; null where they can. */
export function whyNoMounts(): Promise<string | null> {
  return mounts ??= (async () => {
    const lack = missing("mount", "umount");
    if (lack !== null) return lack;
    const folder = await Deno.makeTempDir({ prefix: "lockstep-mount-" });
    try {
      const { code } = await runTool("mount", ["-t", "tmpfs", "-o", "size=1m", "tmpfs", folder]);
      if (code !== 0) return "this user may not mount file systems: run as root";
      await runTool("umount", [folder]);
      return null;
    } finally {
      await Deno.remove(folder);
    }
  })();
}

/** A file system in memory at a folder, until it is disposed of. */
export async function mountMemory(folder: string, options: string): Promise<AsyncDisposable> {
  const { code, stderr } = await runTool("mount", [
    ...["-t", "tmpfs", "-o", options, "tmpfs", folder],
  ]);
  if (code !== 0) throw new Error(`mount: ${stderr}`);
  return {
    async [Symbol.asyncDispose]() {
      await runTool("umount", ["-l", folder]);
    },
  };
}
