import assert from "node:assert/strict";
import { startTestOrigin } from "../support/reference_origin.ts";
import { TempFolder } from "../support/temp_store.ts";

const MAIN = new URL("../../main.ts", import.meta.url).pathname;
const SECRET = "Zq7s3cretZ";

Deno.test("no secret is in any output: log, pages, metrics, events, unit, status, errors, store", async () => {
  await using origin = startTestOrigin({ rows: [{ id: 1 }] });
  await using folder = await TempFolder.create();
  const [headers, token] = [folder.file("headers"), folder.file("token")];
  await Deno.writeTextFile(headers, `authorization: Bearer ${SECRET}\n`);
  await Deno.writeTextFile(token, SECRET);
  const url = new URL(origin.url);
  const secretUrl = (path: string) =>
    `http://me:${SECRET}@${url.host}${path}?token=${SECRET}&since={since}`;
  const options = (path: string) => [
    ...["--url", secretUrl(path), "--table", "servers", "--kv", folder.file("kv")],
    ...["--header", `x-api-key: ${SECRET}`, "--header-file", headers, "--log-level", "debug"],
    ...["--on-change", `curl -H 'X-Token: ${SECRET}' http://me:${SECRET}@127.0.0.1:1/`],
    ...["--status", "127.0.0.1:0", "--status-token-file", token],
  ];
  const program = (...args: string[]) =>
    new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--no-check", "--quiet", MAIN, ...args],
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    });
  const outputs: Record<string, string> = {};
  const decoder = new TextDecoder();
  const run = async (name: string, ...args: string[]) => {
    const { stdout, stderr } = await program(...args).output();
    outputs[name] = decoder.decode(stdout) + decoder.decode(stderr);
  };
  const child = program(...options(url.pathname)).spawn();
  const log = child.stderr.pipeThrough(new TextDecoderStream()).getReader();
  let said = "";
  const until = async (pattern: RegExp) => {
    for (let match = pattern.exec(said);; match = pattern.exec(said)) {
      if (match !== null) return match[1] ?? "";
      const { value, done } = await log.read();
      assert.ok(!done, said);
      said += value;
    }
  };
  const page = await until(/status page at (\S+)/);
  await until(/(on-change failed)/);
  for (
    const path of ["", "status", "metrics", "readyz", "events", "events/page", "tables/servers"]
  ) {
    const answer = await fetch(page + path, { headers: { authorization: `Bearer ${SECRET}` } });
    const reader = answer.body?.getReader();
    outputs[`/${path}`] = [...answer.headers].join("\n");
    for (let n = 0; n < 3; n++) {
      const read = await reader?.read();
      outputs[`/${path}`] += decoder.decode(read?.value);
      if (read?.done || path.startsWith("events")) break;
    }
    await reader?.cancel();
  }
  await run("status", "status", "--kv", folder.file("kv"), "--status-token-file", token);
  child.kill("SIGTERM");
  for (let read = await log.read(); !read.done; read = await log.read()) said += read.value;
  await child.stdout.cancel();
  await child.status;
  outputs["log"] = said;
  await run("unit", "unit", ...options(url.pathname));
  await run("offline status", "status", "--kv", folder.file("kv"));
  await run("wrong origin", ...options("/nothing"), "--once", "--attempts", "1");
  await run("wrong usage", ...options(url.pathname), "--poll", "often");
  await run("wrong url", "--url", `htp://me:${SECRET}@x/?token=${SECRET}`);
  await run("wrong header", "--url", "http://x/y", "--header", `x-api-key ${SECRET}`);
  for (const name of ["kv", "kv-wal"]) {
    const bytes = await Deno.readFile(folder.file(name)).catch(() => new Uint8Array());
    outputs[`store's ${name}`] = new TextDecoder("latin1").decode(bytes);
  }
  for (const [name, text] of Object.entries(outputs)) {
    assert.ok(!text.includes(SECRET), `${name} shows it: ${text.slice(0, 2_000)}`);
    if (!name.startsWith("store")) assert.notEqual(text, "", name);
  }
  assert.match(outputs["/status"] ?? "", /X-Token: …/, "the command is shown, without it");
});
