import assert from "node:assert/strict";
import { hiddenVariables } from "../../../src/replica/hooks/on_change.ts";
import { startTestOrigin } from "../../support/reference_origin.ts";
import { startReplica } from "../../support/replicas.ts";
import { TempFolder } from "../../support/temp_store.ts";

Deno.test("a command gets neither our settings nor any variable that holds one of our secrets", () => {
  const hidden = hiddenVariables({
    ...{ PATH: "/bin", HOME: "/root", LOCKSTEP_TABLE: "t", LOCKSTEP_FILE: "f", TOKEN: "s3cr" },
    ...{
      LOCKSTEP_URL: "x",
      DENO_DIR: "x",
      OTEL_DENO: "true",
      NOTIFY_SOCKET: "x",
      WATCHDOG_PID: "1",
    },
    ...{ CREDENTIALS_DIRECTORY: "x", LOCKSTEP_TABLE_X: "x", MY_AUTH: "Bearer a-long-secret-1" },
    ...{ LATER: "s3cr and more", "odd.name": "s3cr", NOTIFY_SOCKETS: "x" },
  }, ["s3cr", "a-long-secret-1"]);
  assert.deepEqual(hidden.sort(), [
    ...["CREDENTIALS_DIRECTORY", "DENO_DIR", "LOCKSTEP_TABLE_X", "LOCKSTEP_URL", "MY_AUTH"],
    ...["NOTIFY_SOCKET", "OTEL_DENO", "TOKEN", "WATCHDOG_PID"],
  ]);
});

Deno.test("a command inherits the environment without secrets, and is run by the shell's path", async () => {
  await using folder = await TempFolder.create();
  await using origin = startTestOrigin({ rows: [{ id: 1 }] });
  const file = folder.file("environment");
  const set = { LOCKSTEP_URL: "Zq7-secret", MY_KEY: "Zq7-password-1", KEPT: "this", DENO_X: "1" };
  for (const [name, value] of Object.entries(set)) Deno.env.set(name, value);
  const path = Deno.env.get("PATH") ?? "";
  await Deno.writeTextFile(folder.file("sh"), "#!/bin/sh\nexit 9\n", { mode: 0o755 });
  Deno.env.set("PATH", `${folder.path}:${path}`);
  try {
    await using replica = await startReplica(origin.url, {
      kv: folder.file("kv"),
      headers: [["x-key", "Zq7-password-1"]],
      onChange: `env > ${file}`,
      onChangeWaitMs: 1,
    });
    await replica.until(({ hooks }) => hooks[0]?.lastSuccess !== null, "success");
    const seen = await Deno.readTextFile(file);
    assert.match(seen, /^KEPT=this$/m);
    assert.match(seen, /^LOCKSTEP_TABLE=servers$/m);
    assert.doesNotMatch(seen, /Zq7|DENO_X|LOCKSTEP_URL/);
  } finally {
    Deno.env.set("PATH", path);
    for (const name of Object.keys(set)) Deno.env.delete(name);
  }
});
