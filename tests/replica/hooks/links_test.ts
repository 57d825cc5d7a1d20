/** Links on the way to a file that is written: they may be others', and lead anywhere. */

import assert from "node:assert/strict";
import { followOwnLinks } from "../../../src/base/owned_path.ts";
import { writeTable } from "../../../src/replica/hooks/write_file.ts";
import { rowKey } from "../../../src/store/kv/keys.ts";
import { TableReader } from "../../../src/store/read/table_reader.ts";
import { TempFolder } from "../../support/temp_store.ts";
import { testUnless } from "../../support/tools.ts";

const never = new AbortController().signal;

async function readerOf(kv: Deno.Kv): Promise<TableReader> {
  await kv.set(rowKey("servers", [1]), { id: 1 });
  return new TableReader(kv, "servers");
}

/** Nobody's user id, that of no file here. */
const OTHER = 64_999;

const noOthers = Deno.build.os === "windows" || Deno.uid() !== 0
  ? "only root makes files of others"
  : null;

Deno.test("a link that dangles is written through, and stays a link", async () => {
  await using folder = await TempFolder.create();
  using kv = await Deno.openKv(":memory:");
  await Deno.mkdir(folder.file("real"));
  await Deno.symlink("real/file", folder.file("link"));
  await writeTable(await readerOf(kv), folder.file("link"), never);
  assert.ok((await Deno.lstat(folder.file("link"))).isSymlink);
  assert.equal(await Deno.readTextFile(folder.file("real/file")), '{"id":1}\n');
  await Deno.symlink("round", folder.file("round"));
  await assert.rejects(followOwnLinks(folder.file("round")), /circle/);
});

testUnless(
  noOthers,
  "a link of another user isn't followed, whether it is the file or a folder",
  async () => {
    await using folder = await TempFolder.create();
    using kv = await Deno.openKv(":memory:");
    const reader = await readerOf(kv);
    const victim = folder.file("victim");
    await Deno.writeTextFile(victim, "untouched");
    await Deno.mkdir(folder.file("folder"));
    for (const [link, target] of [["link", victim], ["by", folder.file("folder")]] as const) {
      await Deno.symlink(target, folder.file(link));
      await new Deno.Command("chown", { args: ["-h", `${OTHER}`, folder.file(link)] }).output();
    }
    for (const path of ["link", "by/file"]) {
      await assert.rejects(writeTable(reader, folder.file(path), never), {
        message: new RegExp(`link of another user \\(${OTHER}\\)`),
      });
    }
    assert.equal(await Deno.readTextFile(victim), "untouched");
    assert.deepEqual([...Deno.readDirSync(folder.file("folder"))], []);
  },
);

testUnless(
  noOthers,
  "a name that is swapped for a link while it is written gives nothing away",
  async () => {
    await using folder = await TempFolder.create();
    using kv = await Deno.openKv(":memory:");
    const [file, victim] = [folder.file("file"), folder.file("victim")];
    await Deno.writeTextFile(victim, "mine", { mode: 0o600 });
    await Deno.writeTextFile(file, "old");
    await Deno.chmod(file, 0o644);
    await Deno.chown(file, OTHER, OTHER);
    const reader = await readerOf(kv);
    // The folder's owner swaps the name as soon as rows are read: the file is open by then.
    const swapping = {
      async *list() {
        const temporary = folder.file(".file.lockstep-tmp");
        const { uid, mode } = await Deno.stat(temporary);
        assert.deepEqual([uid, (mode ?? 0) & 0o777], [OTHER, 0o644], "before any row is in it");
        await Deno.remove(temporary);
        await Deno.symlink(victim, temporary);
        yield* reader.list();
      },
    };
    await writeTable(swapping, file, never);
    const { uid, mode } = await Deno.stat(victim);
    assert.deepEqual([uid, (mode ?? 0) & 0o777], [0, 0o600]);
    assert.equal(await Deno.readTextFile(victim), "mine");
  },
);
