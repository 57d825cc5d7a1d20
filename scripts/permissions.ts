/**
 * What the program may do, in one place: `deno.json`'s `start` task, the compiled executable and
 * the self-extracting one all follow this list, and a test compares them.
 *
 * | permission | what needs it |
 * | --- | --- |
 * | net | the origin is any host the user names; the status server listens on any address; the service manager's socket |
 * | read, write | the store, header, token and certificate files, unix sockets, the file of `--write`: all of them paths the user names |
 * | env | `LOCKSTEP_…` stand in for options, `NOTIFY_SOCKET` and `JOURNAL_STREAM` come from systemd, proxies and terminals have variables of their own |
 * | sys=hostname | the lease and the status name the host that holds a table |
 * | sys=statfs | on a file system that other hosts mount, too, file locks say nothing of a holder |
 * | run=/bin/sh | `--on-change` hands its command to the shell; the program gives the permission back at once when the option isn't used |
 *
 * Not granted: ffi, every other sys, every other program, imports at run time, and asking at the
 * terminal.
 *
 * @module
 */

/** The shell that runs `--on-change` commands, by the name it must be spawned with. */
export const SHELL = "/bin/sh";

/** Permission flags, as `deno run` and `deno compile` take them. */
export const PERMISSIONS: readonly string[] = [
  "--allow-net",
  "--allow-read",
  "--allow-write",
  "--allow-env",
  "--allow-sys=hostname,statfs",
  `--allow-run=${SHELL}`,
];

/** Unstable features in use: the store is Deno KV, sd_notify and the unix sockets are `net`. */
export const UNSTABLE: readonly string[] = ["kv", "net"];

/**
 * V8's settings. A stream of records makes nothing but short-lived garbage; V8 lets a heap grow to
 * several times of what is in use before it looks, which here would only be memory taken from
 * others. Small generations and a slow growth halve the resident size. A young generation that
 * small is collected in some milliseconds, by one thread: several would take the processors from
 * the store's, and on two cores they cost a sixth of the throughput.
 */
export const V8_FLAGS: readonly string[] = [
  "--max-semi-space-size=8",
  "--heap-growing-percent=20",
  "--no-parallel-scavenge",
];

/** Everything `deno` needs to be told before the program's name. */
export const RUNTIME_FLAGS: readonly string[] = [
  ...PERMISSIONS,
  "--no-prompt",
  "--deny-import", // hosts such as jsr.io are allowed unless one says no
  ...UNSTABLE.map((feature) => `--unstable-${feature}`),
  `--v8-flags=${V8_FLAGS.join(",")}`,
];
