/**
 * Opens a store: a Deno KV file with a writing and a reading connection.
 *
 * @module
 */

import { dirname, resolve } from "node:path";
import { LockstepError } from "../../protocol/errors.ts";
import { accessFault } from "./store_access.ts";
import { StoreFiles } from "./store_files.ts";
import { RemoteKv } from "./remote_kv.ts";
import { isRemote, openRemote, remoteFault, remoteName } from "./remote_store.ts";
import { storeFault } from "./store_error.ts";
import { LAYOUT_VERSION, layoutKey, storeIdKey } from "./keys.ts";
import { retryWhileLocked } from "./retry_locked.ts";

/**
 * Page size of a store file that we create, in bytes.
 *
 * SQLite moves a value to a page of its own when it exceeds about a quarter of a page: with its
 * default of 4,096 bytes, rows of 1,000 bytes and more cost four times the disk and the time.
 * The size is fixed when a file is made, and any SQLite reads it from the file's header.
 */
const PAGE_BYTES = 8192;

/** What kind of store it is: a file, one in this process's memory, or one behind KV Connect. */
export type StoreKind = "file" | "memory" | "remote";

/** An open store. */
export interface Store {
  readonly kind: StoreKind;
  /** The file, absolute; `:memory:` for none; a remote store's address without secrets. */
  readonly path: string;
  readonly writer: Deno.Kv;
  /** A connection of its own, so that reads don't queue behind commits; a remote store's only one. */
  readonly reader: Deno.Kv;
  /** Which files it is; null where it is none. */
  readonly files: StoreFiles | null;
  /** Bytes on disk; null where there is no file. */
  size(): number | null;
  close(): void;
}

/**
 * The file meant by `--kv PATH`: an existing directory, or a path that ends in `/`, means
 * `replica.kv` inside it.
 */
export function storeFile(path: string): string {
  if (path === ":memory:") return path;
  if (isRemote(path)) return remoteName(path);
  let isFolder = path.endsWith("/");
  try {
    isFolder ||= Deno.statSync(path).isDirectory;
  } catch {
    // It does not exist yet: a file is made.
  }
  return resolve(isFolder ? `${path}/replica.kv` : path);
}

/** A file that this user may not look at is none that isn't there. */
function exists(path: string): boolean {
  try {
    return Deno.statSync(path).size > 0;
  } catch (error) {
    if (error instanceof Deno.errors.PermissionDenied) throw error;
    return false;
  }
}

/** Makes an empty database file with our page size; Deno KV then adds its tables. */
async function createFile(path: string): Promise<void> {
  Deno.mkdirSync(dirname(path), { recursive: true });
  // For this user alone, whatever the umask; SQLite gives its other files the same mode.
  Deno.openSync(path, { create: true, write: true, mode: 0o600 }).close();
  const { DatabaseSync } = await import("node:sqlite");
  const database = new DatabaseSync(path);
  try {
    // Any write makes the file. VACUUM would, too, but it attaches a database, which Deno only
    // allows with all permissions.
    database.exec(`PRAGMA page_size=${PAGE_BYTES}; PRAGMA user_version=1; PRAGMA user_version=0;`);
  } finally {
    database.close();
  }
}

/**
 * Refuses another program's database: Deno KV would add its tables to it.
 *
 * @throws {LockstepError} `foreign-store`
 */
async function refuseForeign(path: string): Promise<void> {
  const { DatabaseSync } = await import("node:sqlite");
  let names: unknown[];
  try {
    const database = new DatabaseSync(path, { readOnly: true });
    try {
      const tables = database.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").all();
      names = tables.map(({ name }) => name);
    } finally {
      database.close();
    }
  } catch {
    // Damaged, locked, not to be read: Deno KV says so next.
    return;
  }
  if (names.length === 0 || names.includes("kv") || names.includes("migration_state")) return;
  throw new LockstepError(`${path} is a database of another program`, {
    kind: "foreign-store",
    retry: "never",
    hint: "name another --kv",
  });
}

/**
 * Refuses a store of a newer layout; marks an older one, or a new one, as ours. What an older
 * layout lacks is added table by table, when each is opened for writing.
 */
async function checkLayout(kv: Deno.Kv, path: string, readOnly: boolean): Promise<void> {
  const entry = await kv.get<number>(layoutKey);
  const { value } = entry;
  if (value !== null && value > LAYOUT_VERSION) {
    throw new LockstepError(
      `the store ${path} was written by a newer version (layout ${value}; this one knows ${LAYOUT_VERSION})`,
      {
        kind: "foreign-store",
        retry: "never",
        hint: "run the newer version, or name another --kv",
      },
    );
  }
  if (readOnly) return;
  // Should another process be first, it wrote the same.
  if (value !== LAYOUT_VERSION) {
    await kv.atomic().check(entry).set(layoutKey, LAYOUT_VERSION).commit();
  }
  const id = await kv.get(storeIdKey);
  if (id.value === null) await kv.atomic().check(id).set(storeIdKey, newStoreId()).commit();
}

/** 64 random bits, as hexadecimal digits. */
function newStoreId(): string {
  return crypto.getRandomValues(new Uint8Array(8)).toHex();
}

/** How a store is opened. */
export interface OpenOptions {
  /** Only read: the file must exist, and nothing is written. */
  readonly readOnly?: boolean;
  /** The file with a remote store's access token; default `DENO_KV_ACCESS_TOKEN`. */
  readonly tokenFile?: string | undefined;
}

/**
 * Opens the store at `path` (see {@linkcode storeFile}), making it where there is none.
 *
 * @throws {LockstepError} `store` or `store-full` naming the path; `foreign-store` for a layout
 * of a newer version.
 */
export async function openStore(path: string, options: OpenOptions = {}): Promise<Store> {
  if (isRemote(path)) return await openRemoteStore(path, options);
  const file = storeFile(path);
  try {
    // Processes that start on a fresh file together are in each other's way while each sets it up.
    return await retryWhileLocked(() => tryOpen(file, options));
  } catch (error) {
    throw accessFault(file, error, options.readOnly ?? false) ?? storeFault(file, error);
  }
}

async function tryOpen(file: string, options: OpenOptions): Promise<Store> {
  const handles: Deno.Kv[] = [];
  try {
    if (file !== ":memory:" && !exists(file)) {
      if (options.readOnly) {
        throw new LockstepError(`there is no store at ${file}`, {
          kind: "store",
          retry: "never",
          hint: "name the store that a replica writes with --kv",
        });
      }
      await createFile(file);
    } else if (file !== ":memory:") {
      await refuseForeign(file);
    }
    const writer = await Deno.openKv(file);
    handles.push(writer);
    // Before the second connection: while that sets itself up, a commit meets a locked database.
    await checkLayout(writer, file, options.readOnly ?? false);
    // A memory store lives in its connection: a second one would see another store.
    const reader = file === ":memory:" || options.readOnly ? writer : await Deno.openKv(file);
    if (reader !== writer) {
      handles.push(reader);
      await reader.get(layoutKey);
    }
    return {
      kind: file === ":memory:" ? "memory" : "file",
      path: file,
      writer,
      reader,
      files: file === ":memory:" ? null : new StoreFiles(file),
      size: () => file === ":memory:" ? null : fileBytes(file),
      close: () => handles.splice(0).forEach((kv) => kv.close()),
    };
  } catch (error) {
    handles.forEach((kv) => kv.close());
    throw error;
  }
}

async function openRemoteStore(path: string, options: OpenOptions): Promise<Store> {
  const open = () => openRemote(path, options.tokenFile ?? null);
  const kv = new RemoteKv(await open(), open);
  const name = remoteName(path);
  try {
    await checkLayout(kv, name, options.readOnly ?? false);
  } catch (error) {
    kv.close();
    throw remoteFault(path, error);
  }
  return {
    kind: "remote",
    path: name,
    files: null,
    writer: kv,
    reader: kv,
    size: () => null,
    close: () => kv.close(),
  };
}

/** The database and its write-ahead log. */
function fileBytes(file: string): number | null {
  let bytes: number | null = null;
  for (const path of [file, `${file}-wal`]) {
    try {
      bytes = (bytes ?? 0) + Deno.statSync(path).size;
    } catch {
      // Not there (yet): counts nothing.
    }
  }
  return bytes;
}
