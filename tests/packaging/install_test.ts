import assert from "node:assert/strict";
import { repositoryPath } from "../../scripts/compile/run.ts";
import { TEST_CACHE, testExecutable } from "../support/executable.ts";
import { runTool, testUnless, testWith } from "../support/tools.ts";
import { Host, noHost } from "./host.ts";

const INSTALL = repositoryPath("scripts/install.sh");

/** In the place of the executable: prints a unit as the real one begins it. */
const EXECUTABLE = `#!/bin/sh
[ "$1" = unit ] || exit 9
printf '[SystemdReporter]\\nExecStart=/usr/local/bin/lockstep-replicate \\\\\\n    %s\\n' "$*"
`;

/** A folder to install into. */
async function setUp() {
  const host = await Host.make();
  await Deno.writeTextFile(`${host.folder}/program`, EXECUTABLE, { mode: 0o755 });
  const root = `${host.folder}/root`;
  const env = { DESTDIR: root, PATH: Deno.env.get("PATH") ?? "" };
  const install = (...args: string[]) =>
    host.run("/bin/sh", [INSTALL, "--executable", `${host.folder}/program`, ...args], env);
  return { host, root, install };
}

const read = (path: string) => Deno.readTextFileSync(path);
const modeOf = (path: string) => (Deno.statSync(path).mode ?? 0) & 0o777;

function exists(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch {
    return false;
  }
}

testUnless(
  noHost,
  "installing puts program, unit and environment file in place, and says so",
  async () => {
    const { host, root, install } = await setUp();
    await using _host = host;
    const said = await install("--", "--url", "http://origin/a b");
    assert.deepEqual([said.code, said.stderr], [0, ""]);
    const bin = `${root}/usr/local/bin/lockstep-replicate`;
    const unit = `${root}/etc/systemd/system/lockstep-replicate.service`;
    const env = `${root}/etc/lockstep-replicate/lockstep-replicate.env`;
    assert.deepEqual([modeOf(bin), modeOf(unit), modeOf(env)], [0o755, 0o644, 0o600]);
    assert.equal(read(bin), EXECUTABLE);
    assert.match(read(unit), /unit --url http:\/\/origin\/a b/);
    for (const path of [bin, unit, env]) assert.ok(said.stdout.includes(`installed  ${path}\n`));
  },
);

testUnless(
  noHost,
  "without options the program is installed with a unit that reads its environment file",
  async () => {
    const { host, root } = await setUp();
    await using _host = host;
    const env = {
      DESTDIR: root,
      PATH: Deno.env.get("PATH") ?? "",
      LOCKSTEP_CACHE_DIR: TEST_CACHE,
    };
    const args = [INSTALL, "--executable", await testExecutable()];
    const said = await host.run("/bin/sh", args, env);
    assert.deepEqual([said.code, said.stderr], [0, ""]);
    const unit = read(`${root}/etc/systemd/system/lockstep-replicate.service`);
    assert.match(unit, /^EnvironmentFile=\/etc\/lockstep-replicate\/lockstep-replicate\.env$/m);
    assert.match(unit, /^# So does the line LOCKSTEP_URL=/m);
    assert.match(read(`${root}/etc/lockstep-replicate/lockstep-replicate.env`), /LOCKSTEP_URL=/);
  },
);

testUnless(noHost, "the unit starts the program where it was installed", async () => {
  const { host, root, install } = await setUp();
  await using _host = host;
  assert.equal((await install("--prefix=/opt/ls", "--template")).code, 0);
  assert.ok(exists(`${root}/opt/ls/bin/lockstep-replicate`));
  const unit = read(`${root}/etc/systemd/system/lockstep-replicate@.service`);
  assert.match(unit, /^ExecStart=\/opt\/ls\/bin\/lockstep-replicate \\$/m);
  assert.match(unit, /unit --template/);
});

testUnless(noHost, "nothing is overwritten unasked, and never the environment file", async () => {
  const { host, root, install } = await setUp();
  await using _host = host;
  assert.equal((await install()).code, 0);
  const env = `${root}/etc/lockstep-replicate/lockstep-replicate.env`;
  const bin = `${root}/usr/local/bin/lockstep-replicate`;
  await Deno.writeTextFile(env, "LOCKSTEP_URL=mine\n");
  const again = await install();
  assert.equal(again.code, 0);
  assert.ok(again.stdout.includes(`unchanged  ${bin}`));
  await Deno.writeTextFile(`${host.folder}/program`, `${EXECUTABLE}# newer\n`, { mode: 0o755 });
  const unasked = await install();
  assert.equal(unasked.code, 1);
  assert.match(unasked.stderr, /would be overwritten.*say --yes/);
  assert.equal(read(bin), EXECUTABLE);
  assert.equal((await install("--yes")).code, 0);
  assert.match(read(bin), /# newer/);
  assert.equal(read(env), "LOCKSTEP_URL=mine\n");
});

testUnless(noHost, "uninstalling keeps settings and data, purging removes them", async () => {
  const { host, root, install } = await setUp();
  await using _host = host;
  await install();
  const data = `${root}/var/lib/private/lockstep-replicate`;
  await Deno.mkdir(data, { recursive: true });
  await Deno.symlink("private/lockstep-replicate", `${root}/var/lib/lockstep-replicate`);
  const removed = await install("--uninstall");
  assert.deepEqual([removed.code, removed.stderr], [0, ""]);
  assert.ok(!exists(`${root}/usr/local/bin/lockstep-replicate`));
  assert.ok(!exists(`${root}/etc/systemd/system/lockstep-replicate.service`));
  assert.ok(exists(`${root}/etc/lockstep-replicate/lockstep-replicate.env`));
  assert.ok(exists(data));
  assert.equal((await install("--uninstall", "--purge")).code, 1);
  assert.ok(exists(data));
  assert.equal((await install("--uninstall", "--purge", "--yes")).code, 0);
  for (
    const path of [data, `${root}/var/lib/lockstep-replicate`, `${root}/etc/lockstep-replicate`]
  ) {
    assert.ok(!exists(path), path);
  }
});

testUnless(
  noHost,
  "uninstalling leaves no link behind: of folders, of instances, of path units",
  async () => {
    const { host, root, install } = await setUp();
    await using _host = host;
    await install();
    await install("--template");
    const units = `${root}/etc/systemd/system`;
    const left = [
      // Links whose target systemd has removed.
      `${root}/var/cache/lockstep-replicate`,
      `${root}/var/cache/lockstep-replicate@a`,
      `${units}/multi-user.target.wants/lockstep-replicate@a.service`,
      `${units}/multi-user.target.wants/lockstep-replicate-changed.path`,
      `${units}/timers.target.wants/lockstep-replicate.timer`,
    ];
    for (const path of left) {
      await Deno.mkdir(path.slice(0, path.lastIndexOf("/")), { recursive: true });
      await Deno.symlink("private/gone", path);
    }
    for (const unit of ["lockstep-replicate.timer", "lockstep-replicate-changed.path"]) {
      await Deno.writeTextFile(`${units}/${unit}`, "");
      left.push(`${units}/${unit}`);
    }
    assert.equal((await install("--uninstall")).code, 0);
    for (const path of left) assert.ok(!exists(path), path);
    assert.deepEqual([...Deno.readDirSync(units)].filter(({ isFile }) => isFile), []);
  },
);

testUnless(
  noHost,
  "what the options need is installed with them, and what comes next is said, and no more",
  async () => {
    const { host, root, install } = await setUp();
    await using _host = host;
    const unit = (lines: string) =>
      Deno.writeTextFile(`${host.folder}/program`, `#!/bin/sh\ncat <<'END'\n${lines}\nEND\n`, {
        mode: 0o755,
      });
    await unit(
      "#   LOCKSTEP_URL=https://…@origin/servers\n[Unit]\nEnvironmentFile=/etc/x\n" +
        "#path| [Path]\n#path| PathChanged=/etc/haproxy/a.json\n#changed| [Service]",
    );
    const said = await install();
    assert.deepEqual([said.code, said.stderr], [0, ""]);
    const units = `${root}/etc/systemd/system`;
    assert.equal(
      read(`${units}/lockstep-replicate-changed.path`),
      "[Path]\nPathChanged=/etc/haproxy/a.json\n",
    );
    assert.equal(read(`${units}/lockstep-replicate-changed.service`), "[Service]\n");
    const env = `${root}/etc/lockstep-replicate/lockstep-replicate.env`;
    assert.match(read(env), /^#LOCKSTEP_URL=https:\/\/…@origin\/servers$/m);
    assert.match(said.stdout, /^Left out .*\n +LOCKSTEP_URL=/m);
    assert.match(
      said.stdout,
      /^Next: edit .* lockstep-replicate lockstep-replicate-changed\.path$/m,
    );
    await unit("[Unit]\nEnvironmentFile=-/etc/x");
    const plain = await install("--yes");
    assert.match(plain.stdout, /^Next: systemctl enable --now lockstep-replicate$/m);
    assert.doesNotMatch(plain.stdout, /Left out/);
  },
);

testUnless(noHost, "wrong usage changes nothing and says what is accepted", async () => {
  const { host, root, install } = await setUp();
  await using _host = host;
  for (const args of [["--bogus"], ["--prefix", "opt"], ["--prefix=/a|b"], ["--purge"]]) {
    const said = await install(...args);
    assert.equal(said.code, 2);
    assert.match(said.stderr, /^install\.sh: [^\n]+\n$/);
  }
  await Deno.remove(`${host.folder}/program`);
  const missing = await install();
  assert.deepEqual([missing.code, exists(root)], [1, false]);
  assert.match(missing.stderr, /deno task compile/);
});

const SCRIPTS = [INSTALL, repositoryPath("scripts/compile/stub.sh")];

Deno.test("the shell scripts are POSIX sh", async () => {
  for (const script of SCRIPTS) {
    const { code, stderr } = await runTool("/bin/sh", ["-n", script]);
    assert.equal(code, 0, stderr);
  }
});

testWith(["shellcheck"], "shellcheck finds nothing", async () => {
  const said = await runTool("shellcheck", ["--shell=sh", "--severity=warning", ...SCRIPTS]);
  assert.deepEqual([said.stdout, said.code], ["", 0]);
});
