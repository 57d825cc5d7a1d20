import assert from "node:assert/strict";
import { machineOf } from "../../scripts/compile/platform.ts";
import { bundleProgram, PACKAGES } from "../../scripts/compile/program.ts";
import { repositoryPath, run } from "../../scripts/compile/run.ts";

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
  assert.ok(bundle.length < 2_000_000, `${bundle.length} characters`);
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
