import assert from "node:assert/strict";
import { machineOf } from "../../scripts/compile/platform.ts";
import { bundleProgram, PACKAGES } from "../../scripts/compile/program.ts";
import { repositoryPath, run } from "../../scripts/compile/run.ts";
import { filesBelow } from "../support/files_below.ts";

Deno.test("nothing that only development needs is inside the program", async () => {
  const bundle = await bundleProgram({ version: "1.2.3", commit: "abc" });
  assert.ok(bundle.startsWith('globalThis.LOCKSTEP_BUILD={"version":"1.2.3","commit":"abc"};\n'));
  const path = await Deno.makeTempFile({ suffix: ".mjs" });
  try {
    await Deno.writeTextFile(path, bundle);
    const { stdout } = await run(Deno.execPath(), ["info", "--json", "--no-config", path]);
    const { modules } = JSON.parse(stdout) as { modules: { specifier: string }[] };
    const others = modules.map(({ specifier }) => specifier)
      .filter((specifier) => !specifier.startsWith("node:"));
    assert.deepEqual(others.map((specifier) => specifier.split("/").at(-1)), [
      path.split("/").at(-1),
    ]);
  } finally {
    await Deno.remove(path);
  }
  assert.ok(bundle.length < 3_000_000, `${bundle.length} characters`);
});

Deno.test("everything that is to be closed still is in the bundle", async () => {
  const bundle = await bundleProgram({ version: "1", commit: "a" });
  const count = (text: string) => [...text.matchAll(/^\s*(?:await )?using \w+ =/gm)].length;
  let wanted = 0;
  for (const path of await filesBelow(repositoryPath("src"))) {
    wanted += count(await Deno.readTextFile(path));
  }
  assert.ok(wanted > 5);
  assert.equal(count(bundle), wanted);
});

Deno.test("a program that imports a development dependency is refused", async () => {
  assert.ok(!PACKAGES.includes("fast-check"));
  const reaching = repositoryPath("tests/packaging/fixtures/stowaway.ts");
  await assert.rejects(bundleProgram({ version: "1", commit: "a" }, { entry: reaching }), {
    message: "the program imports fast-check, which isn't to be shipped",
  });
});

Deno.test("a runtime's headers tell the machine that it is for", async () => {
  const { system, machine, loader } = machineOf(await Deno.readFile(Deno.execPath()));
  assert.equal(system, { linux: "Linux", darwin: "Darwin" }[Deno.build.os as string]);
  assert.equal(machine, Deno.build.arch);
  if (system === "Linux") assert.match(loader, /^\/lib.*\/ld-/);
  assert.throws(() => machineOf(new TextEncoder().encode("#!/bin/sh\n".repeat(10))), /it is no/);
});
