/**
 * A booted systemd to install services on: a Debian folder, in namespaces of its own.
 *
 * The folder is made once, by `.ci/run` or by hand, and copied for each boot:
 * `debootstrap --variant=minbase --include=systemd,systemd-sysv,dbus bookworm FOLDER`.
 *
 * @module
 */

import { missing, runTool, type Said } from "./tools.ts";
import { waitFor } from "./wait_for.ts";

const FOLDER = Deno.env.get("LOCKSTEP_TEST_SYSTEMD") ||
  `${Deno.env.get("HOME") ?? ""}/.cache/lockstep-replicate-test/systemd`;

/** Why no systemd can be booted here; null where one can. */
export const noSystemd: string | null = whyNot();

function whyNot(): string | null {
  const lack = missing("systemd-nspawn", "nsenter", "unshare", "cp");
  if (lack !== null) return lack;
  if (Deno.uid() !== 0) return "only root can boot a systemd";
  try {
    Deno.statSync(`${FOLDER}/lib/systemd/systemd`);
    return null;
  } catch {
    return `no systemd to boot in ${FOLDER}: .ci/run makes it`;
  }
}

/** Booting takes seconds; on a busy machine it may take some more. */
const BOOT_MS = 60_000;

export class BootedSystemd implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;

  private constructor(readonly root: string, child: Deno.ChildProcess) {
    this.#child = child;
  }

  /** Null where it can't: what a machine lets its root do is no fault of the program's. */
  static async boot(): Promise<BootedSystemd | null> {
    const folder = await Deno.makeTempDir({ prefix: "lockstep-systemd-" });
    const root = `${folder}/root`;
    await runTool("cp", ["-a", "--reflink=auto", FOLDER, root]);
    // Its own /run, since nspawn wants one in memory; the rest of the mounts stay as they are.
    const script = 'mount -t tmpfs tmpfs /run && exec systemd-nspawn "$@"';
    const child = new Deno.Command("unshare", {
      args: [
        ...["-m", "sh", "-c", script, "nspawn", "--quiet", "--register=no", "--keep-unit"],
        ...["--console=pipe", "--boot", `--directory=${root}`],
      ],
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
    const booted = new BootedSystemd(root, child);
    let hasEnded = false;
    child.status.then(() => hasEnded = true);
    try {
      await waitFor(
        async () => {
          if (hasEnded) throw new Error("it has ended");
          const { stdout } = await booted.run("systemctl is-system-running");
          return /^(running|degraded)/.test(stdout);
        },
        "systemd has booted",
        BOOT_MS,
      );
      return booted;
    } catch {
      await booted[Symbol.asyncDispose]();
      return null;
    }
  }

  /** Runs shell text inside, as root. */
  async run(script: string): Promise<Said> {
    const leader = await this.#leader();
    if (leader === null) return { code: -1, stdout: "", stderr: "it isn't there yet" };
    const path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    return await runTool("nsenter", [
      ...["-t", leader, "-m", "-u", "-i", "-p", "-C", "-r", "-w"],
      ...["env", "-i", path, "sh", "-c", script],
    ]);
  }

  async #leader(): Promise<string | null> {
    const { pid } = this.#child;
    const children = await Deno.readTextFile(`/proc/${pid}/task/${pid}/children`).catch(() => "");
    return children.trim().split(" ")[0] || null;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const leader = await this.#leader();
    // The end of its first process ends all the others.
    try {
      if (leader !== null) Deno.kill(Number(leader), "SIGKILL");
      else this.#child.kill("SIGKILL");
    } catch {
      // It has ended by itself.
    }
    await this.#child.status;
    await Deno.remove(this.root.slice(0, this.root.lastIndexOf("/")), { recursive: true });
  }
}
