/**
 * A table as a file, for programs that read files.
 *
 * The file is written beside its place, synced, and renamed into it: whoever opens it finds the
 * old or the new table, never a part of one, also after a crash or on a full disk.
 *
 * @module
 */

import { type FileHandle, open } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { followOwnLinks } from "../../base/owned_path.ts";
import { messageOf } from "../../protocol/errors.ts";
import { stringifyJson } from "../../protocol/json_text.ts";
import type { TableReader } from "../../store/read/table_reader.ts";

/** Characters gathered before they are written. */
const WRITE_CHARS = 256 * 1024;

/** Permissions of a new file before the umask, as any other program would make it. */
const NEW_MODE = 0o666;

/** Where a file is written until it is whole. One name a file: what a killed write left is reused. */
function besides(path: string): string {
  return join(dirname(path), `.${basename(path)}.lockstep-tmp`);
}

/** What is at the path; a symbolic link is followed, so that it stays a link. */
async function lookAt(path: string): Promise<{ path: string; info: Deno.FileInfo | null }> {
  const real = Deno.build.os === "windows" ? path : await followOwnLinks(path);
  try {
    const info = await Deno.lstat(real);
    if (!info.isFile) throw new Error(`${path} is there and is no regular file`);
    return { path: real, info };
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return { path: real, info: null };
    throw error;
  }
}

/** Whether there is a file at the path. */
export async function isThere(path: string): Promise<boolean> {
  try {
    return (await Deno.stat(path)).isFile;
  } catch {
    return false;
  }
}

/** Removes what a killed {@linkcode writeTable} may have left. */
export async function removeLeftover(path: string): Promise<void> {
  const { path: real } = await lookAt(path).catch(() => ({ path }));
  await Deno.remove(besides(real)).catch(() => {});
}

/**
 * Replaces the file at `path` by the table's rows in key order: NDJSON, or a JSON array where the
 * name ends in `.json`. Mode and owner of the file that is replaced are kept.
 *
 * @param check looks at the new file before it takes the old one's place; throws what is wrong with it
 * @throws what went wrong, naming the file; the old file is then as it was, and nothing is left
 * beside it. Also where the signal aborts.
 */
export async function writeTable(
  reader: Pick<TableReader, "list">,
  path: string,
  signal: AbortSignal,
  check: (candidate: string) => Promise<void> = () => Promise.resolve(),
): Promise<void> {
  try {
    const place = await lookAt(path);
    const temporary = besides(place.path);
    // Not truncated: something else may have put a link there.
    await Deno.remove(temporary).catch(() => {});
    try {
      await fill(reader, temporary, place.info, place.path.endsWith(".json"), signal);
      await check(temporary);
      await Deno.rename(temporary, place.path);
    } catch (error) {
      await Deno.remove(temporary).catch(() => {});
      throw error;
    }
    await syncFolder(dirname(place.path));
  } catch (error) {
    signal.throwIfAborted();
    throw new Error(`${path} could not be written: ${messageOf(error)}`, { cause: error });
  }
}

async function fill(
  reader: Pick<TableReader, "list">,
  path: string,
  old: Deno.FileInfo | null,
  isArray: boolean,
  signal: AbortSignal,
): Promise<void> {
  // All of it by the descriptor: the name may be somebody else's by now, where the folder is.
  await using file = await open(path, "wx", old === null ? NEW_MODE : 0o600);
  if (old !== null) await takeAfter(file, old);
  const encoder = new TextEncoder();
  let text = isArray ? "[" : "";
  let isFirst = true;
  for await (const { value } of reader.list()) {
    signal.throwIfAborted();
    const json = stringifyJson(value);
    if (!isArray) text += `${json}\n`;
    else text += isFirst ? `\n${json}` : `,\n${json}`;
    isFirst = false;
    if (text.length < WRITE_CHARS) continue;
    await writeAll(file, encoder.encode(text));
    text = "";
  }
  if (isArray) text += isFirst ? "]\n" : "\n]\n";
  await writeAll(file, encoder.encode(text));
  signal.throwIfAborted();
  await file.sync();
}

async function writeAll(file: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let rest = bytes; rest.length > 0;) {
    const { bytesWritten } = await file.write(rest, 0, rest.length);
    rest = rest.subarray(bytesWritten);
  }
}

/** Gives the file another one's owner and mode, as far as we may. */
async function takeAfter(file: FileHandle, { mode, uid, gid }: Deno.FileInfo): Promise<void> {
  if (Deno.build.os === "windows" || mode === null || uid === null || gid === null) return;
  const own = await file.stat();
  // Only root may give files away: for everybody else the new file is their own.
  if (own.uid !== uid || own.gid !== gid) await file.chown(uid, gid).catch(() => {});
  await file.chmod(mode & 0o777);
}

/** Makes a rename last through a power cut, where the file system lets us. */
async function syncFolder(path: string): Promise<void> {
  try {
    using folder = await Deno.open(path);
    await folder.sync();
  } catch {
    // Not every system opens folders; the file itself is synced.
  }
}
