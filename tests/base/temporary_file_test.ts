import assert from "node:assert/strict";
import { TemporaryFile } from "../../src/base/temporary_file.ts";
import { TempFolder } from "../support/temp_store.ts";

Deno.test("a temporary file gives back what was written, as far as there is", async () => {
  await using folder = await TempFolder.create();
  using file = await TemporaryFile.create("test-", folder.path);
  let end = await file.write(new Uint8Array([1, 2, 3]), 0);
  end = await file.write(new Uint8Array([4, 5]), end);
  assert.equal(end, 5);
  const bytes = new Uint8Array(4);
  assert.equal(await file.read(bytes, 2), 3);
  assert.deepEqual(bytes, new Uint8Array([3, 4, 5, 0]));
  await file.truncate(1);
  assert.equal(await file.read(bytes, 0), 1);
  assert.equal(await file.read(bytes, 1), 0);
});

Deno.test("a temporary file has no name that a killed process could leave behind", {
  ignore: Deno.build.os === "windows",
}, async () => {
  await using folder = await TempFolder.create();
  using _file = await TemporaryFile.create("test-", folder.path);
  assert.deepEqual([...Deno.readDirSync(folder.path)], []);
});

Deno.test("no temporary file is left where it can't be opened", async () => {
  await using folder = await TempFolder.create();
  const { open } = Deno;
  Deno.open = () => Promise.reject(new Deno.errors.PermissionDenied("open"));
  try {
    await assert.rejects(TemporaryFile.create("test-", folder.path), Deno.errors.PermissionDenied);
  } finally {
    Deno.open = open;
  }
  assert.deepEqual([...Deno.readDirSync(folder.path)], []);
});
