import assert from "node:assert/strict";
import { OPTIONS } from "../../../src/cli/options/table.ts";
import { isAnswer, readWords } from "../../../src/cli/options/parse.ts";
import { type Settings, settingsOf } from "../../../src/cli/options/settings.ts";
import { UsageError } from "../../../src/cli/usage_error.ts";
import { settle } from "../../../src/cli/options/resolve_options.ts";

const KEYS = Object.keys(OPTIONS) as (keyof typeof OPTIONS)[];

function settings(line: string, environment: Readonly<Record<string, string>> = {}): Settings {
  const words = readWords(line.split(" ").filter((word) => word !== ""), {
    width: 100,
    colors: false,
  });
  if (isAnswer(words)) throw new Error(words.stderr);
  return settingsOf(settle(words.options, KEYS, (name) => environment[name]));
}

function refused(line: string, message: RegExp, environment: Record<string, string> = {}): void {
  assert.throws(() => settings(line, environment), (error: unknown) => {
    assert.ok(error instanceof UsageError, String(error));
    assert.match(error.message, message);
    return true;
  });
}

Deno.test("without a URL the message says which option is missing", () => {
  refused("", /^--url is missing; give the endpoint, such as https:/);
});

Deno.test("a table's name is taken from its URL, from --table, or from before its URL", () => {
  const names = (line: string) => settings(line).tables;
  assert.deepEqual(names("--url http://h/a/servers"), ["servers"]);
  assert.deepEqual(names("--url http://h/servers/{since}?a=b"), ["servers"]);
  assert.deepEqual(names("--url http://h/servers?x=y=z"), ["servers"]);
  assert.deepEqual(names("--url http://h/servers --table zones"), ["zones"]);
  assert.deepEqual(names("--url zones=http://h/servers?x=http://y/"), ["zones"]);
  assert.deepEqual(names("--url http://h/a --url c=http://h/a --url http://h/b"), ["a", "c", "b"]);
});

Deno.test("a table's name that can't be is refused", () => {
  refused("--url http://h/", /gives no name for the table; give one with --table NAME/);
  refused("--url http://h/{since}", /gives no name for the table/);
  refused("--url http://h/lockstep", /may not be called "lockstep".*--table/);
  refused("--url http://h/a --url http://g/a", /two of them make a table called "a"/);
  refused("--url http://h/a --url http://h/b --table c", /--table "c" can't name 2 tables/);
  refused("--url a=http://h/a --table b", /name one table twice/);
  for (const url of ["=http://h/a", "lockstep=http://h/a"]) {
    const answer = readWords(["--url", url], { width: 100, colors: false });
    assert.ok(isAnswer(answer), url);
    assert.equal(answer.status, 2);
  }
});

Deno.test("no message of these repeats a password", () => {
  for (const line of ["--url http://me:s3cret@h/", "--url http://me:s3cret@h/lockstep"]) {
    assert.throws(() => settings(line), (error: Error) => !error.message.includes("s3cret"));
  }
});

Deno.test("a status address that others can reach needs a token", () => {
  const url = "--url http://h/a";
  for (const address of ["0.0.0.0:80", "192.0.2.1:4568", "[::]:1", "example.org:80"]) {
    refused(`${url} --status ${address}`, /can be reached by other machines.*--status-token-file/);
    const open = settings(`${url} --status ${address} --status-token-file /t`);
    assert.equal(open.status?.tokenFile, "/t");
  }
  for (const address of ["127.0.0.1:80", "8080", "[::1]:80", "localhost:1", "unix:/run/x"]) {
    assert.equal(settings(`${url} --status ${address}`).status?.address, address);
  }
});

Deno.test("--status and --no-status exclude each other, unless the command line overrules", () => {
  const url = "--url http://h/a";
  refused(`${url} --status 80 --no-status`, /exclude each other/);
  refused(url, /exclude each other/, { LOCKSTEP_STATUS: "80", LOCKSTEP_NO_STATUS: "1" });
  assert.equal(settings(`${url} --no-status`, { LOCKSTEP_STATUS: "80" }).status, null);
  const asked = settings(`${url} --status 80`, { LOCKSTEP_NO_STATUS: "1" }).status;
  assert.deepEqual([asked?.address, asked?.asked], ["80", true]);
  const standard = settings(url).status;
  assert.deepEqual([standard?.address, standard?.asked], ["127.0.0.1:4568", false]);
});

Deno.test("--cert and --cert-key go together", () => {
  refused("--url http://h/a --cert /c", /go together/);
  refused("--url http://h/a --cert-key /c", /go together/);
  const { replicator } = settings("--url https://h/a --cert /c --cert-key /k");
  assert.deepEqual([replicator.cert, replicator.certKey], ["/c", "/k"]);
});

Deno.test("--write names a table where there are several, and a = in a file's name stays", () => {
  const one = settings("--url http://h/a --write /tmp/x=y.ndjson");
  assert.deepEqual([...one.hooks.write], [["a", "/tmp/x=y.ndjson"]]);
  const two = settings("--url http://h/a --url http://h/b --write b=/tmp/b --write a=/tmp/a");
  assert.deepEqual([...two.hooks.write], [["b", "/tmp/b"], ["a", "/tmp/a"]]);
  refused("--url http://h/a --url http://h/b --write /tmp/a", /which table.*"a", "b"/);
  refused("--url http://h/a --write /x --write a=/y", /given twice/);
  refused("--url http://h/a --write a=", /names no file/);
});

Deno.test("--quiet leaves errors only", () => {
  assert.equal(settings("--url http://h/a --quiet --log-level debug").log.level, "error");
});

Deno.test("the library gets the options under its own names", () => {
  const { replicator } = settings(
    "--url http://me:pw@h/a --kv /s --key a,b --order-by o --order-type time --deleted-by d=x --since 5 --overlap 9 " +
      "--poll 2s --idle-timeout 3s --connect-timeout 4s --header A:b --header-file /h --ca /ca " +
      "--resync --adopt --once --attempts 7 --feed --strict --tombstone-ttl 1d " +
      "--shrink-limit 10% --max-line-length 1KiB",
  );
  assert.deepEqual(replicator, {
    sources: [{ url: "http://me:pw@h/a", table: "a" }],
    kv: "/s",
    key: ["a", "b"],
    orderBy: "o",
    deletedBy: "d=x",
    orderType: "time",
    since: "5",
    overlap: "9",
    pollMs: 2000,
    idleTimeoutMs: 3000,
    connectTimeoutMs: 4000,
    headers: [["A", "b"]],
    headerFile: "/h",
    ca: "/ca",
    resync: true,
    adopt: true,
    once: true,
    attempts: 7,
    feed: true,
    feedPublic: false,
    standby: false,
    strict: true,
    tombstoneTtlMs: 86_400_000,
    shrinkLimit: 0.1,
    maxLineLength: 1024,
  });
});
