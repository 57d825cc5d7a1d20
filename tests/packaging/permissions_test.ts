import assert from "node:assert/strict";
import { compileNative } from "../../scripts/compile/native.ts";
import { PERMISSIONS, RUNTIME_FLAGS, SHELL, UNSTABLE } from "../../scripts/permissions.ts";
import { repositoryPath } from "../../scripts/compile/run.ts";
import { testExecutable } from "../support/executable.ts";

const STAND_IN = new URL("fixtures/stand_in.ts", import.meta.url).pathname;

/** The permission flags among words. */
const permissions = (words: readonly string[]) =>
  words.filter((word) => word.startsWith("--allow") || word.startsWith("-A")).sort();

Deno.test("`deno task start` grants what the executables grant", async () => {
  const config = JSON.parse(await Deno.readTextFile(repositoryPath("deno.json")));
  assert.deepEqual(permissions(config.tasks.start.split(" ")), [...PERMISSIONS].sort());
  assert.deepEqual(config.unstable, UNSTABLE);
});

Deno.test("the self-extracting executable grants the same", async () => {
  const executable = await Deno.readFile(await testExecutable(STAND_IN));
  const stub = new TextDecoder().decode(executable.subarray(0, 16_384));
  const words = /exec "\$folder\/\$runtime" run (.*)/.exec(stub)?.[1]?.split(" ") ?? [];
  assert.deepEqual(permissions(words), [...PERMISSIONS].sort());
  for (const flag of [...RUNTIME_FLAGS, "--no-config", "--no-remote"]) {
    assert.ok(words.includes(flag));
  }
});

/**
 * Deno's base runtime can't be had everywhere: any executable in its place takes every step but
 * running. What is baked in stands behind it as JSON.
 */
Deno.test("the compiled executable has just these permissions baked in", async () => {
  const output = await Deno.makeTempFile();
  try {
    const env = { DENORT_BIN: Deno.execPath() };
    assert.equal(await compileNative("console.log(1)", { output, env }), "built");
    const text = new TextDecoder("latin1").decode(await Deno.readFile(output));
    const start = text.lastIndexOf('{"argv":[],');
    const baked = JSON.parse(/^.*?"permissions":(\{.*?\})/.exec(text.slice(start))?.[1] ?? "null");
    assert.deepEqual(baked.deny_import, []); // everything is denied, whatever is allowed
    const granted = Object.entries(baked)
      .filter(([name, value]) => value !== null && !name.endsWith("_import"));
    assert.deepEqual(Object.fromEntries(granted), {
      allow_env: [],
      allow_net: [],
      allow_read: [],
      allow_write: [],
      allow_run: [SHELL],
      allow_sys: ["hostname", "statfs"],
      prompt: false,
    });
    assert.match(text.slice(start), /"features":\["kv","net"\]/);
  } finally {
    await Deno.remove(output);
  }
});

Deno.test("where the base runtime can't be downloaded, that is told from other failures", async () => {
  const folder = await Deno.makeTempDir();
  try {
    // A cache of its own, and a proxy that refuses.
    const env = { DENO_DIR: folder, HTTPS_PROXY: "http://127.0.0.1:9" };
    Deno.env.delete("DENORT_BIN");
    const output = `${folder}/program`;
    assert.equal(await compileNative("console.log(1)", { output, env }), "no-runtime");
    await assert.rejects(compileNative("syntax error", { output, env }), /deno compile failed/);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
