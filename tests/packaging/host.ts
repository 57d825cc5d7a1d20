/**
 * A host to start the executable on: its own folder, environment and programs.
 *
 * @module
 */

import { findTool, missing, mountMemory, type Said } from "../support/tools.ts";

/** All of coreutils that the stub uses, and gzip. */
const PROGRAMS = [
  ...["sh", "gzip", "tail", "head", "ls", "id", "uname", "mktemp", "mkdir", "mv", "rm", "chmod"],
  ...["sync", "sleep"],
];

/** A temporary folder with a `bin` of links to the few programs that a bare host has. */
export class Host implements AsyncDisposable {
  readonly #mounts: AsyncDisposable[] = [];

  private constructor(readonly folder: string) {}

  static async make(): Promise<Host> {
    const host = new Host(await Deno.makeTempDir({ prefix: "lockstep-host-" }));
    await Deno.mkdir(`${host.folder}/bin`);
    await Deno.mkdir(`${host.folder}/home`);
    for (const program of PROGRAMS) {
      await Deno.symlink(findTool(program) ?? program, `${host.folder}/bin/${program}`);
    }
    return host;
  }

  /** The environment of a user at home; nothing of the test's own gets in. */
  get environment(): Record<string, string> {
    return { PATH: `${this.folder}/bin`, HOME: `${this.folder}/home`, TMPDIR: this.folder };
  }

  command(path: string, args: string[], env: Record<string, string> = {}): Deno.Command {
    return new Deno.Command(path, {
      args,
      env: { ...this.environment, ...env },
      clearEnv: true,
      cwd: this.folder,
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    });
  }

  async run(path: string, args: string[] = [], env: Record<string, string> = {}): Promise<Said> {
    const { code, stdout, stderr } = await this.command(path, args, env).output();
    const decoder = new TextDecoder();
    return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
  }

  /** Replaces a program of the host by a script. */
  async script(name: string, text: string): Promise<void> {
    await Deno.remove(`${this.folder}/bin/${name}`);
    await Deno.writeTextFile(`${this.folder}/bin/${name}`, `#!/bin/sh\n${text}\n`, { mode: 0o755 });
  }

  /** A file system in memory; returns its folder. */
  async mount(options: string): Promise<string> {
    const folder = await Deno.makeTempDir({ dir: this.folder });
    this.#mounts.push(await mountMemory(folder, options));
    return folder;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const mount of this.#mounts) await mount[Symbol.asyncDispose]();
    await Deno.remove(this.folder, { recursive: true });
  }
}

/** Why no host can be made here; null where one can. */
export const noHost: string | null = missing(...PROGRAMS);
