import assert from "node:assert/strict";
import { bundleProgram } from "../../scripts/compile/program.ts";
import { RUNTIME_FLAGS } from "../../scripts/permissions.ts";
import { startTestOrigin } from "../support/reference_origin.ts";
import { replicateOnce } from "../support/replicas.ts";
import { TempFolder } from "../support/temp_store.ts";

/** A user who owns nothing. */
const NOBODY = 65534;

const COMMANDS = [
  ["status"],
  ["get", "servers", "1"],
  ["list", "servers"],
  ["export", "servers"],
  ["quarantine", "servers"],
  ["resync", "servers"],
] as const;

Deno.test("a store that a user may not read is not one that isn't there", async (test) => {
  if (Deno.uid() !== 0) {
    console.log("skipped: only root can run the program as another user");
    await test.step({ name: "not root", ignore: true, fn: () => {} });
    return;
  }
  await using origin = startTestOrigin({ rows: [{ id: 1 }], finite: true });
  await using folder = await TempFolder.create();
  await Deno.chmod(folder.path, 0o755);
  const state = folder.file("state");
  const file = `${state}/replica.kv`;
  await replicateOnce(origin.url, { kv: file });
  const bundle = folder.file("program.js");
  await Deno.writeTextFile(bundle, await bundleProgram({ version: "0.0.0", commit: "test" }));
  await Deno.mkdir(folder.file("home"), { mode: 0o777 });
  await Deno.chmod(folder.file("home"), 0o777);
  const run = async (args: readonly string[], kv = file) => {
    const child = new Deno.Command(Deno.execPath(), {
      args: ["run", "--quiet", "--no-config", ...RUNTIME_FLAGS, bundle, ...args, "--kv", kv],
      cwd: folder.path,
      uid: NOBODY,
      gid: NOBODY,
      clearEnv: true,
      env: { HOME: folder.file("home"), PATH: "/usr/bin:/bin", NO_COLOR: "1" },
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    });
    const { code, stderr } = await child.output();
    return { code, said: new TextDecoder().decode(stderr) };
  };
  const cases = [
    { path: file, mode: 0o600, says: "it belongs to root, mode 0600" },
    { path: file, mode: 0o644, says: "it belongs to root, mode 0644; readers need to write it" },
    { path: state, mode: 0o700, says: `its folder ${state} belongs to root, mode 0700` },
  ];
  for (const { path, mode, says } of cases) {
    for (const each of [state, file]) await Deno.chmod(each, each === state ? 0o755 : 0o600);
    await Deno.chmod(path, mode);
    for (const command of mode === 0o600 ? COMMANDS : COMMANDS.slice(0, 2)) {
      const { code, said } = await run(command);
      assert.ok(
        said.includes(`the store ${file} can't be read by this user (nobody): ${says}`),
        said,
      );
      assert.match(said, /run this as root \(sudo -u root …\), or ask the running process/);
      assert.doesNotMatch(said, /there is no store/);
      assert.equal(code, 1);
    }
  }
  // As systemd keeps them: what can be seen is a link into a folder that can't be entered.
  const link = folder.file("link");
  await Deno.symlink("state/inner", link);
  const hidden = await run(["get", "servers", "1"], `${link}/replica.kv`);
  assert.ok(hidden.said.includes(`its folder ${state} belongs to root, mode 0700`), hidden.said);
  const writer = await run(["--url", origin.url, "--once", "--no-status"]);
  assert.equal(writer.code, 1);
  assert.match(writer.said, /can't be written by this user \(nobody\): its folder .* mode 0700/);
});
