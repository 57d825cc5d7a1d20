import assert from "node:assert/strict";
import { testExecutable } from "../support/executable.ts";
import { runTool, type Said, testUnless, whyNoMounts } from "../support/tools.ts";
import { Host, noHost } from "./host.ts";

const STAND_IN = new URL("fixtures/stand_in.ts", import.meta.url).pathname;
const executable = () => testExecutable(STAND_IN);
const noMounts = noHost ?? await whyNoMounts();

/** What is in a folder, the runtime's own caches left out. */
function names(folder: string): string[] {
  return [...Deno.readDirSync(folder)].map(({ name }) => name).filter((name) => name !== "deno")
    .sort();
}

function runtimeIn(folder: string): string {
  const name = names(folder).find((candidate) => candidate.startsWith("lockstep-replicate-"));
  assert.ok(name, `${names(folder)}`);
  return `${folder}/${name}`;
}

function assertStarted({ code, stdout, stderr }: Said): Record<string, unknown> {
  assert.deepEqual({ code, stderr }, { code: 0, stderr: "" });
  return JSON.parse(stdout);
}

/** One line, status 71. */
function assertRefused({ code, stdout, stderr }: Said, reason: RegExp): void {
  assert.match(stderr, /^lockstep-replicate: [^\n]*\n$/);
  assert.match(stderr, reason);
  assert.deepEqual({ code, stdout }, { code: 71, stdout: "" });
}

testUnless(noHost, "a bare host runs it: sh, gzip and a few of coreutils are enough", async () => {
  await using host = await Host.make();
  const said = assertStarted(await host.run(await executable(), ["a b", "$x", "--flag", ""]));
  assert.deepEqual(said["args"], ["a b", "$x", "--flag", ""]);
  assert.deepEqual(said["build"], { version: "0.0.0-test", commit: "0123456789ab" });
  assert.deepEqual(names(host.folder), ["bin", "home"]);
  assert.deepEqual(names(`${host.folder}/home`), [".cache"]);
});

testUnless(noHost, "it has exactly the program's permissions", async () => {
  await using host = await Host.make();
  const said = assertStarted(await host.run(await executable()));
  const { run, runAny, ffi, net, uid, kv } = said;
  assert.deepEqual({ run, runAny, ffi, net, uid, kv }, {
    run: "granted",
    runAny: "prompt",
    ffi: "prompt",
    net: "granted",
    uid: "prompt",
    kv: "function",
  });
});

testUnless(noHost, "commands that it runs see the user's environment, not the stub's", async () => {
  await using host = await Host.make();
  const own = assertStarted(await host.run(await executable()));
  assert.deepEqual([own["denoDir"], own["locale"], own["outer"]], [null, null, null]);
  const set = assertStarted(
    await host.run(await executable(), [], { DENO_DIR: "/mine", LC_ALL: "C.UTF-8" }),
  );
  assert.deepEqual([set["denoDir"], set["locale"], set["outer"]], ["/mine", "C.UTF-8", null]);
});

testUnless(noHost, "a later start unpacks nothing", async () => {
  await using host = await Host.make();
  assertStarted(await host.run(await executable()));
  for (const program of ["gzip", "mktemp", "tail"]) await host.script(program, "exit 9");
  assertStarted(await host.run(await executable()));
});

testUnless(noHost, "first starts at the same time all succeed, and leave one copy", async () => {
  await using host = await Host.make();
  const path = await executable();
  const said = await Promise.all([host.run(path), host.run(path), host.run(path)]);
  said.forEach(assertStarted);
  assert.equal(names(`${host.folder}/home/.cache/lockstep-replicate`).length, 2);
});

testUnless(
  noHost,
  "the process that was started is the program's, and SIGTERM stops it",
  async () => {
    await using host = await Host.make();
    await using child = host.command(await executable(), ["wait"]).spawn();
    const decoder = new TextDecoder();
    let heard = "";
    let isTold = false;
    for await (const bytes of child.stdout) {
      heard += decoder.decode(bytes);
      // Once: what comes later may come from a process that has ended by then.
      if (heard.includes("waiting") && !isTold) {
        isTold = true;
        child.kill("SIGTERM");
      }
      if (heard.includes("stopped")) break;
    }
    assert.equal(JSON.parse(heard.split("\n")[0] ?? "").pid, child.pid);
    await child.stderr.cancel();
    assert.equal((await child.status).code, 0);
  },
);

testUnless(noHost, "whatever the umask, only its user may touch the cache", async () => {
  await using host = await Host.make();
  for (const umask of ["000", "077", "777"]) {
    const cache = `${host.folder}/cache-${umask}`;
    await Deno.mkdir(cache, { mode: 0o700 });
    const said = await host.run(
      "/bin/sh",
      ["-c", `umask ${umask}; exec "$0"`, await executable()],
      {
        LOCKSTEP_CACHE_DIR: cache,
      },
    );
    assertStarted(said);
    for (const name of names(cache)) {
      assert.equal((Deno.statSync(`${cache}/${name}`).mode ?? 0) & 0o077, 0, name);
    }
    // An ordinary user couldn't remove what the runtime has put there.
    await Deno.chmod(`${cache}/deno`, 0o700);
  }
});

testUnless(
  noHost,
  "without HOME the cache is systemd's folder, or one of its own below /tmp",
  async () => {
    await using host = await Host.make();
    const path = await executable();
    for (
      const [name, value, cache] of [
        ["CACHE_DIRECTORY", `${host.folder}/c:/other`, "c"],
        ["XDG_CACHE_HOME", `${host.folder}/x`, "x/lockstep-replicate"],
        ["STATE_DIRECTORY", `${host.folder}/s`, "s/.cache"],
        ["TMPDIR", `${host.folder}/`, `lockstep-replicate-${Deno.uid()}`],
      ] as const
    ) {
      assertStarted(await host.run(path, [], { HOME: "", [name]: value }));
      assert.equal(names(`${host.folder}/${cache}`).length, 2, name);
    }
  },
);

testUnless(noHost, "a link that somebody laid below /tmp is not followed", async () => {
  await using host = await Host.make();
  await Deno.mkdir(`${host.folder}/trap`, { mode: 0o777 });
  await Deno.symlink(`${host.folder}/trap`, `${host.folder}/lockstep-replicate-${Deno.uid()}`);
  assertRefused(await host.run(await executable(), [], { HOME: "" }), /somebody else/);
  assert.deepEqual(names(`${host.folder}/trap`), []);
});

testUnless(noHost, "a cache that others may write to is not used", async () => {
  await using host = await Host.make();
  const cache = `${host.folder}/cache`;
  await Deno.mkdir(cache);
  await Deno.chmod(cache, 0o777);
  const env = { LOCKSTEP_CACHE_DIR: cache };
  assertRefused(await host.run(await executable(), [], env), /somebody else/);
  // Nor is a file in it that others could have changed.
  await Deno.chmod(cache, 0o700);
  assertStarted(await host.run(await executable(), [], env));
  const runtime = runtimeIn(cache);
  const before = await Deno.stat(runtime);
  await Deno.chmod(runtime, 0o777);
  assertStarted(await host.run(await executable(), [], env));
  const after = await Deno.stat(runtime);
  assert.notEqual(after.ino, before.ino);
  assert.equal((after.mode ?? 0) & 0o777, 0o700);
});

testUnless(noHost, "a file of the cache that was cut short is unpacked again", async () => {
  await using host = await Host.make();
  const path = await executable();
  assertStarted(await host.run(path));
  const cache = `${host.folder}/home/.cache/lockstep-replicate`;
  await Deno.truncate(runtimeIn(cache), 1_000_000);
  assertStarted(await host.run(path));
  for (const name of names(cache)) await Deno.truncate(`${cache}/${name}`, 0);
  assertStarted(await host.run(path));
});

testUnless(
  noHost,
  "what a killed first start left behind is removed by the next start",
  async () => {
    await using host = await Host.make();
    const path = await executable();
    const cache = `${host.folder}/home/.cache/lockstep-replicate`;
    // The start stops in the middle of the runtime, for ever, and is killed there.
    const gzip = await Deno.realPath(`${host.folder}/bin/gzip`);
    await host.script(
      "gzip",
      `${gzip} -dc | head -c 20000000; echo $$ > ${host.folder}/g; exec sleep 600`,
    );
    const child = host.command(path, []).spawn();
    let pid = "";
    while (pid === "") {
      pid = await Deno.readTextFile(`${host.folder}/g`).catch(() => "");
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    child.kill("SIGKILL");
    await Promise.all([child.stdout.cancel(), child.stderr.cancel()]);
    await child.status;
    Deno.kill(Number(pid), "SIGKILL");
    assert.ok(names(cache).some((name) => name.startsWith(".unpack-")), `${names(cache)}`);
    await Deno.remove(`${host.folder}/bin/gzip`);
    await Deno.symlink(gzip, `${host.folder}/bin/gzip`);
    assertStarted(await host.run(path));
    assert.equal(names(cache).length, 2);
  },
);

testUnless(noHost, "on another kind of machine it says so at once", async () => {
  await using host = await Host.make();
  await host.script("uname", `case $1 in -s) echo Linux ;; *) echo riscv64 ;; esac`);
  assertRefused(
    await host.run(await executable()),
    /is for Linux on \w+, and here is Linux riscv64/,
  );
  await host.script("uname", `case $1 in -s) echo FreeBSD ;; *) echo amd64 ;; esac`);
  assertRefused(await host.run(await executable()), /here is FreeBSD amd64/);
});

testUnless(noHost, "an executable that was cut short or changed on its way says so", async () => {
  await using host = await Host.make();
  const whole = await Deno.readFile(await executable());
  const copy = `${host.folder}/copy`;
  await Deno.writeFile(copy, whole.subarray(0, whole.length / 2), { mode: 0o755 });
  assertRefused(await host.run(copy), /is cut short/);
  const changed = whole.slice();
  changed.fill(0, whole.length / 2, whole.length / 2 + 1000);
  await Deno.writeFile(copy, changed, { mode: 0o755 });
  assertRefused(await host.run(copy), /damaged: fetch it again/);
});

testUnless(noHost, "a copy called by PATH or by a relative name finds itself", async () => {
  await using host = await Host.make();
  await Deno.copyFile(await executable(), `${host.folder}/bin/lr`);
  assertStarted(await host.run("/bin/sh", ["-c", "exec lr"]));
  await Deno.remove(`${host.folder}/home/.cache`, { recursive: true });
  assertStarted(await host.run("/bin/sh", ["-c", "cd bin && exec ./lr"]));
});

testUnless(noMounts, "a cache that can't be used is one clear line", async (t) => {
  await using host = await Host.make();
  const path = await executable();
  const inside = async (options: string) => ({
    LOCKSTEP_CACHE_DIR: `${await host.mount(options)}/cache`,
  });
  await t.step("read-only", async () => {
    assertRefused(await host.run(path, [], await inside("ro")), /read-only/);
  });
  await t.step("noexec", async () => {
    const env = await inside("noexec");
    assertRefused(await host.run(path, [], env), /noexec/);
    assert.ok(names(env.LOCKSTEP_CACHE_DIR).every((name) => name.startsWith("program-")));
  });
  await t.step("full", async () => {
    const env = await inside("size=20m");
    assertRefused(await host.run(path, [], env), /no space left/);
    assert.ok(names(env.LOCKSTEP_CACHE_DIR).every((name) => name.startsWith("program-")));
  });
});

testUnless(noMounts, "where one cache can't be used the next is tried", async () => {
  await using host = await Host.make();
  const HOME = await host.mount("noexec");
  assertStarted(await host.run(await executable(), [], { HOME }));
  assert.equal(names(`${host.folder}/lockstep-replicate-${Deno.uid()}`).length, 2);
});

testUnless(noMounts, "an unpacked cache may be read-only", async () => {
  await using host = await Host.make();
  const folder = await host.mount("size=200m");
  const env = { LOCKSTEP_CACHE_DIR: `${folder}/cache` };
  assertStarted(await host.run(await executable(), [], env));
  assert.equal((await runTool("mount", ["-o", "remount,ro", folder])).code, 0);
  assertStarted(await host.run(await executable(), [], env));
});

testUnless(
  noHost ?? (Deno.uid() === 0 ? null : "only root makes folders of others"),
  "nothing is unpacked or run where another user could put something in its place",
  async () => {
    await using host = await Host.make();
    const path = await executable();
    const own = `${host.folder}/lockstep-replicate-${Deno.uid()}`;
    // A home of somebody else, with all that would be trusted in it.
    assertStarted(await host.run(path));
    for (const folder of [`${host.folder}/home`, `${host.folder}/home/.cache`]) {
      await Deno.chown(folder, 64_999, 64_999);
      const runtime = runtimeIn(`${host.folder}/home/.cache/lockstep-replicate`);
      await Deno.writeTextFile(runtime, "#!/bin/sh\necho hijacked\n");
      assertStarted(await host.run(path));
      assert.equal(names(own).length, 2, "it unpacked itself elsewhere");
      await Deno.chown(folder, 0, 0);
      await Deno.chmod(folder, 0o777);
      assertStarted(await host.run(path));
      await Deno.chmod(folder, 0o755);
    }
    const asked = { LOCKSTEP_CACHE_DIR: `${host.folder}/others/cache` };
    await Deno.mkdir(`${host.folder}/others`);
    await Deno.chown(`${host.folder}/others`, 64_999, 64_999);
    assertRefused(await host.run(path, [], asked), /somebody else owns a folder above it/);
    assert.deepEqual(names(`${host.folder}/others`), []);
  },
);

testUnless(noHost, "too few descriptors are one clear line", async () => {
  await using host = await Host.make();
  const script = 'ulimit -n 32; exec "$0"';
  assertRefused(await host.run("/bin/sh", ["-c", script, await executable()]), /ulimit -n 1024/);
});
