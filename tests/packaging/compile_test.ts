import assert from "node:assert/strict";
import { attempt, repositoryPath } from "../../scripts/compile/run.ts";

const compile = (...args: string[]) =>
  attempt(Deno.execPath(), ["run", "-A", repositoryPath("scripts/compile.ts"), ...args]);

Deno.test("`deno task compile --help` tells of closed networks", async () => {
  const { code, stdout } = await compile("--help");
  assert.equal(code, 0);
  for (const word of ["--output", "--target", "--self-extracting", "DENORT_BIN", "DENO_DIR"]) {
    assert.ok(stdout.includes(word), word);
  }
});

Deno.test("an order that can't be filled names what is accepted", async () => {
  const foreign = Deno.build.target.startsWith("aarch64")
    ? "x86_64-unknown-linux-gnu"
    : "aarch64-unknown-linux-gnu";
  for (
    const [args, reason] of [
      [["--target", "sparc"], /--target sparc is none of .*x86_64-unknown-linux-gnu/],
      [["--self-extracting", "--target", foreign], /needs its Deno: --runtime/],
      [["--bogus"], /--bogus/],
      [
        ["--runtime", repositoryPath("deno.json"), "--output", "/nonexistent/x"],
        /can't be carried/,
      ],
    ] as const
  ) {
    const { code, stderr } = await compile(...args);
    assert.equal(code, 1);
    assert.match(stderr, /^compile: [^\n]*\n$/);
    assert.match(stderr, reason);
  }
});

Deno.test("`deno task compile` takes any executable as the base runtime, by DENORT_BIN", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const output = `${folder}/built`;
    // A file that Deno didn't write is in the way.
    await Deno.writeTextFile(output, "an older executable");
    const args = ["run", "-A", repositoryPath("scripts/compile.ts"), "--output", output];
    const { code, stderr } = await attempt(Deno.execPath(), args, { DENORT_BIN: Deno.execPath() });
    assert.deepEqual([code, stderr.replace(/, .*\n$/, "")], [0, `${output}: compiled`]);
    assert.ok((await Deno.stat(output)).size > (await Deno.stat(Deno.execPath())).size);
    assert.deepEqual([...Deno.readDirSync(folder)].map(({ name }) => name), ["built"]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
