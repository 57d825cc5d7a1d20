import assert from "node:assert/strict";
import { startTestOrigin } from "../support/reference_origin.ts";
import { TempFolder } from "../support/temp_store.ts";

const main = new URL("../../main.ts", import.meta.url).pathname;

Deno.test("--write and --on-change run before --once ends, with sh as the only program allowed", async () => {
  await using a = startTestOrigin({ name: "a", rows: [{ id: 1 }], finite: true });
  await using b = startTestOrigin({ name: "b", rows: [{ id: 2 }], finite: true });
  await using folder = await TempFolder.create();
  const run = async (...args: string[]) => {
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: [
        "run",
        "--no-check",
        "--no-prompt",
        ...["net", "read", "write", "env", "sys=hostname", "run=/bin/sh"].map((name) =>
          `--allow-${name}`
        ),
        main,
        `--url=${a.url}`,
        `--url=${b.url}`,
        `--kv=${folder.file("state.kv")}`,
        "--once",
        "--no-status",
        ...args,
      ],
      stdin: "null",
    }).output();
    const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
    return { code, out: text(stdout), err: text(stderr) };
  };
  const command = `cat; test "$LOCKSTEP_TABLE" = a || exit 7`;
  const first = await run(`--write=${folder.path}/{table}.json`, `--on-change=${command}`);
  // A command that fails is something asked for that was not done.
  assert.equal(first.code, 1, first.err);
  assert.equal(first.out, "", "what a command prints is no output of ours");
  assert.match(first.err, /^\{"table":"a","key":\[1\],"kind":"put","value":\{.*\}\}$/m);
  assert.equal(first.err.match(/b: --on-change failed: exit status 7/g)?.length, 1);
  for (const [table, id] of [["a", 1], ["b", 2]]) {
    const [row] = JSON.parse(await Deno.readTextFile(folder.file(`${table}.json`)));
    assert.equal(row.id, id);
  }
  const wrong = await run("--write=all.json");
  assert.equal(wrong.code, 2);
  assert.match(wrong.err, /--write "all\.json" doesn't say which table/);
});
