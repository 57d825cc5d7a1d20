/**
 * The example of docs/library.md, checked and run as another program's.
 *
 * @module
 */

import assert from "node:assert/strict";
import { startTestOrigin } from "../support/reference_origin.ts";
import { TempFolder } from "../support/temp_store.ts";

const ROOT = new URL("../../", import.meta.url).pathname;
const PAGE = await Deno.readTextFile(new URL("../../docs/library.md", import.meta.url));

function block(language: string): string {
  return new RegExp(`^\`\`\`${language}\\n([^]*?)^\`\`\`$`, "m").exec(PAGE)?.[1] ?? "";
}

/** A project beside the clone, as the page sets it up. */
async function project(): Promise<TempFolder> {
  const folder = await TempFolder.create();
  await Deno.writeTextFile(folder.file("main.ts"), block("ts"));
  const config = JSON.parse(block("json"));
  await Deno.writeTextFile(folder.file("deno.json"), JSON.stringify({ ...config, links: [ROOT] }));
  return folder;
}

Deno.test("the library's example passes deno check in a project that links to a clone", async () => {
  await using folder = await project();
  const check = new Deno.Command(Deno.execPath(), {
    args: ["check", "--quiet", "main.ts"],
    cwd: folder.path,
    env: { NO_COLOR: "1" },
  });
  const { code, stderr } = await check.output();
  assert.equal(code, 0, new TextDecoder().decode(stderr));
});

Deno.test("the library's example prints each change of a real origin", async () => {
  await using origin = startTestOrigin({ rows: [{ id: 123, ip: "192.0.2.1" }, { id: 124 }] });
  await using folder = await project();
  const example = block("ts").replace("https://origin.example/servers/", `${origin.url}/`);
  await Deno.writeTextFile(folder.file("main.ts"), example);
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "-A", "main.ts"],
    cwd: folder.path,
    env: { NO_COLOR: "1" },
    stdin: "null",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  let text = "";
  for await (const part of child.stdout.pipeThrough(new TextDecoderStream())) {
    text += part;
    if (text.includes("[ 124 ]")) break;
  }
  child.kill("SIGKILL");
  await child.status;
  assert.match(text, /^put \[ 123 \]\nput \[ 124 \]\n/m);
});
