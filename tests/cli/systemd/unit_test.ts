import assert from "node:assert/strict";
import fc from "fast-check";
import { type TypedOption, typedOptions } from "../../../src/cli/options/typed_options.ts";
import { unitText } from "../../../src/cli/systemd/unit.ts";
import { escapePercent, quoteArgument } from "../../../src/cli/systemd/unit_quote.ts";
import { TempFolder } from "../../support/temp_store.ts";
import { missing, runTool, testUnless } from "../../support/tools.ts";

const given = (line: string) => typedOptions(line.split(" "));

/** The words of a unit's ExecStart, as systemd.service(5) "Command lines" tells to read them. */
function execStart(unit: string): string[] {
  // Only a line feed ends a line there; a dot of ours would stop at U+2028 as well.
  const line = /^ExecStart=((?:[^\n]*\\\n)*[^\n]*)/m.exec(unit)?.[1]?.replaceAll("\\\n", " ") ?? "";
  const words: string[] = [];
  for (const [, quoted, bare] of line.matchAll(/"((?:[^"\\]|\\.)*)"|(\S+)/g)) {
    const word = quoted === undefined ? bare ?? "" : quoted.replace(
      /\\(?:x([0-9a-f]{2})|(.))/g,
      (_, hex?: string, other?: string) =>
        hex === undefined ? other ?? "" : String.fromCharCode(parseInt(hex, 16)),
    );
    words.push(word.replaceAll("$$", "$").replaceAll("%%", "%"));
  }
  return words;
}

Deno.test("the unit starts the program with the options given", () => {
  const unit = unitText(given("unit --url http://origin/servers --feed --poll=5s --kv ./here"));
  assert.deepEqual(execStart(unit), [
    ...["/usr/local/bin/lockstep-replicate", "--url", "http://origin/servers", "--feed"],
    ...["--poll", "5s", "--kv", "./here"],
  ]);
  assert.match(unit, /^EnvironmentFile=-\/etc\/lockstep-replicate\/lockstep-replicate.env$/m);
});

Deno.test("the store is in the state folder unless the options say where", () => {
  const unit = unitText(given("--url http://origin/servers"));
  assert.ok(execStart(unit).join(" ").includes("--kv %S/lockstep-replicate/replica.kv"));
  assert.match(unit, /^DynamicUser=yes$/m);
  assert.match(unit, /^StateDirectory=lockstep-replicate$/m);
});

Deno.test("a store outside of /var/lib is made writable, for a user that stays", () => {
  const unit = unitText(given("--url http://origin/servers --kv /srv/replica/a.kv"));
  assert.match(unit, /^ReadWritePaths=\/srv\/replica$/m);
  assert.match(unit, /^User=lockstep-replicate$/m);
  assert.doesNotMatch(unit, /^DynamicUser=/m);
});

Deno.test("any argument reaches the program as it was typed", () => {
  const word = fc.string({ unit: "grapheme" }).map((text) => text.replaceAll("\0", ""));
  fc.assert(
    fc.property(fc.array(word, { minLength: 1 }), (texts) => {
      const options = texts.map((value): TypedOption => ({ name: "on-change", value }));
      const words = execStart(unitText([{ name: "kv", value: "x" }, ...options])).slice(3);
      const expected = texts.flatMap((text) =>
        text.startsWith("-") ? [`--on-change=${text}`] : ["--on-change", text]
      );
      assert.deepEqual(words, expected);
    }),
    { examples: [[["\u2028", ""]]] },
  );
});

Deno.test("specifiers, variables, quotes and line breaks are only text", () => {
  assert.equal(quoteArgument("http://o/a%20b?$x={since}"), "http://o/a%%20b?$$x={since}");
  assert.equal(quoteArgument('say "hi" \\ ;'), '"say \\"hi\\" \\\\ ;"');
  assert.equal(quoteArgument(";"), '";"');
  assert.equal(quoteArgument(""), '""');
  assert.equal(quoteArgument("a\nExecStartPre=/bin/evil"), '"a\\x0aExecStartPre=/bin/evil"');
  assert.throws(() => escapePercent("/a\nUser=root"), /control characters/);
});

Deno.test("a password in a URL stays out of the unit", () => {
  const unit = unitText(given(
    "--url a=https://me:hunter2@origin/servers --url https://other/x?token=hunter3&n=1",
  ));
  assert.doesNotMatch(unit, /hunter/);
  assert.doesNotMatch(execStart(unit).join(" "), /--url/);
  assert.match(
    unit,
    /^# {3}LOCKSTEP_URL="a=https:\/\/…@origin\/servers https:\/\/other\/x\?token=…&n=1"$/m,
  );
  // The unit can't do without the file any more.
  assert.match(unit, /^EnvironmentFile=\/etc\/lockstep-replicate\/lockstep-replicate.env$/m);
});

Deno.test("a secret header stays out of the unit, a plain one is kept", () => {
  const header = (value: string): TypedOption => ({ name: "header", value });
  const secret = unitText([header("Authorization: Bearer hunter2"), header("Accept: x")]);
  assert.doesNotMatch(secret, /hunter2|--header /);
  assert.match(secret, /LOCKSTEP_HEADER="Authorization: …/);
  for (const line of secret.slice(0, secret.indexOf("[Unit]")).trim().split("\n")) {
    assert.match(line, /^#/);
  }
  assert.ok(execStart(unitText([header("Accept: x")])).includes("Accept: x"));
});

Deno.test("files with secrets are handed over as credentials", () => {
  const unit = unitText(
    given("--header-file secrets/h% --cert-key /etc/key.pem --kv-token-file /etc/kv"),
    { directory: "/home/me" },
  );
  assert.match(unit, /^LoadCredential=header-file:\/home\/me\/secrets\/h%%$/m);
  assert.match(unit, /^LoadCredential=cert-key:\/etc\/key.pem$/m);
  assert.match(unit, /^LoadCredential=kv-token-file:\/etc\/kv$/m);
  assert.match(unit, /--header-file \$\{CREDENTIALS_DIRECTORY\}\/header-file/);
});

Deno.test("a status address gets what it needs and no more", () => {
  const low = unitText(given("--status 127.0.0.1:80"));
  assert.match(low, /^AmbientCapabilities=CAP_NET_BIND_SERVICE$/m);
  assert.doesNotMatch(low, /PrivateUsers/);
  const usual = unitText(given("--status 8080"));
  assert.match(usual, /^CapabilityBoundingSet=$/m);
  assert.match(unitText(given("--status unix:/run/ls/x.sock")), /^RuntimeDirectory=ls$/m);
});

Deno.test("--once makes a job for a timer, without watchdog and restart", () => {
  const unit = unitText(given("--url http://origin/a --once"));
  assert.match(unit, /^Type=oneshot$/m);
  const service = unit.replaceAll(/^#.*$/gm, "");
  assert.doesNotMatch(service, /Watchdog|Restart=|\[Install\]/);
});

testUnless(missing("sed"), "--once says how to get the timer out of its comments", async () => {
  await using folder = await TempFolder.create();
  for (const template of [false, true]) {
    const unit = unitText(given("--url http://origin/a --once"), { template });
    const command = /^# {3}(sed .*)$/m.exec(unit)?.[1] ?? "";
    const [, service = "", timer = ""] = /(\S+\.service) > (\S+\.timer)$/.exec(command) ?? [];
    await Deno.writeTextFile(folder.file(service), unit);
    await runTool("sh", ["-c", `cd '${folder.path}' && ${command}`]);
    const text = await Deno.readTextFile(folder.file(timer));
    assert.match(text, /^\[Unit\]\n[^]*\n\[Timer\]\n[^]*\n\[Install\]\nWantedBy=timers.target\n$/);
    assert.doesNotMatch(text, /^#\|/m);
    assert.doesNotMatch(unitText(given("--url http://origin/a")), /timer/);
    if (missing("systemd-analyze") !== null || template) continue;
    const { code, stderr } = await runTool("systemd-analyze", ["verify", folder.file(timer)]);
    // The program isn't installed here; of the timer there is nothing to say.
    assert.doesNotMatch(stderr, new RegExp(`${timer}:\\d+:`));
    assert.ok(code === 0 || /lockstep-replicate/.test(stderr));
  }
});

Deno.test("the template has an environment file and a state folder for each instance", () => {
  const unit = unitText([], { template: true });
  assert.match(unit, /^EnvironmentFile=\/etc\/lockstep-replicate\/%i.env$/m);
  assert.match(unit, /^StateDirectory=lockstep-replicate@%i$/m);
  assert.ok(execStart(unit).includes("%S/lockstep-replicate@%i/replica.kv"));
});

Deno.test("no folder of the template's lies in one of the plain unit's, so that both run on one host", () => {
  const folders = (template: boolean) =>
    [
      ...unitText(given("--url http://h/a"), { template }).matchAll(
        /^(?:State|Cache|Runtime)Directory=(.*)$/gm,
      ),
    ].map(([, folder]) => folder ?? "");
  for (const folder of folders(true)) {
    assert.ok(!folders(false).some((other) => `${folder}/`.startsWith(`${other}/`)), folder);
  }
});

const RELOAD: readonly TypedOption[] = [
  { name: "url", value: "http://origin/backends" },
  { name: "write", value: "/etc/haproxy/back ends.json" },
  { name: "on-change", value: "systemctl reload haproxy" },
];

/** A companion unit out of the comments. */
const companion = (unit: string, mark: string) =>
  [...unit.matchAll(new RegExp(`^#${mark}\\| ?(.*)$`, "gm"))].map(([, line]) => `${line}\n`).join(
    "",
  );

Deno.test("a command that only root may run is started as root by a path unit that watches the file", () => {
  const unit = unitText(RELOAD);
  assert.doesNotMatch(execStart(unit).join(" "), /on-change|systemctl/);
  assert.match(companion(unit, "path"), /^PathChanged=\/etc\/haproxy\/back ends\.json$/m);
  assert.match(companion(unit, "changed"), /systemctl reload haproxy/);
  const own = unitText(given("--url http://h/a --write /srv/a.json --on-change ./tell"));
  assert.ok(execStart(own).includes("--on-change"));
  assert.equal(companion(own, "path"), "");
  const fileless = unitText(RELOAD.filter(({ name }) => name !== "write"));
  assert.ok(execStart(fileless).includes("--on-change"));
  assert.match(fileless, /^# --write \/a\/file in the options/m);
});

testUnless(
  missing("sh", "stat"),
  "a change while the command runs has it run once more",
  async () => {
    await using folder = await TempFolder.create();
    const [file, runs] = [folder.file("it's here"), folder.file("runs")];
    await Deno.writeTextFile(file, "1");
    // The first run replaces the file itself, as a change at that moment would.
    const command = `systemctl() { echo run >> "$RUNS"; [ -e "$RUNS.2" ] || { touch "$RUNS.2"; ` +
      `rm "$1"; touch "$1"; }; }; systemctl "${file}"`;
    const unit = companion(
      unitText([{ name: "write", value: file }, { name: "on-change", value: "systemctl X" }]),
      "changed",
    );
    const text = execStart(unit).at(-1)?.replace("systemctl X", command) ?? "";
    const { code } = await runTool("sh", ["-c", text], { env: { RUNS: runs } });
    assert.equal(code, 0);
    assert.equal(await Deno.readTextFile(runs), "run\nrun\n");
  },
);

const CASES: readonly (readonly [string, string, boolean])[] = [
  ["the plain unit", "--url http://origin/servers", false],
  ["a unit with odd options", "--url http://o/%20$x?q={since} --on-change a;'b\"\\ --feed", false],
  ["a unit with credentials", "--header-file /etc/passwd --ca /etc/passwd", false],
  ["a unit with a store elsewhere", "--kv /srv/a.kv --status unix:/run/x/y.sock", false],
  ["a job", "--url http://origin/servers --once", false],
  ["the template", "", true],
];

for (const [what, line, template] of CASES) {
  const reason = await analyzeIsMissing();
  testUnless(reason, `systemd accepts ${what}, and calls it safe`, async () => {
    const folder = await Deno.makeTempDir();
    try {
      const name = template ? "lockstep-replicate@.service" : "lockstep-replicate.service";
      const path = `${folder}/${name}`;
      const executable = Deno.execPath();
      await Deno.writeTextFile(path, unitText(given(line), { template, executable }));
      const verified = await analyze("verify", path);
      // Only what is said of our unit: other units of the machine may have faults of their own.
      const ours = verified.text.split("\n").filter((said) => said.includes("lockstep"));
      assert.deepEqual([ours, verified.code], [[], 0]);
      const security = await analyze("security", "--offline=yes", "--no-pager", path);
      const exposure = /exposure level for .*: ([0-9.]+)/i.exec(security.text)?.[1];
      assert.ok(Number(exposure) <= 1.5, security.text);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  });
}

testUnless(
  missing("systemd-analyze"),
  "systemd accepts the path unit and what it starts",
  async () => {
    await using folder = await TempFolder.create();
    const name = "lockstep-replicate-changed";
    const unit = unitText(RELOAD);
    await Deno.writeTextFile(folder.file(`${name}.service`), companion(unit, "changed"));
    await Deno.writeTextFile(folder.file(`${name}.path`), companion(unit, "path"));
    const verified = await analyze("verify", folder.file(`${name}.path`));
    const ours = verified.text.split("\n").filter((said) => said.includes("lockstep"));
    assert.deepEqual([ours, verified.code], [[], 0]);
  },
);

Deno.test("the unit allows for thousands of connections", () => {
  assert.match(unitText(given("--url http://origin/servers")), /^LimitNOFILE=65536$/m);
});

async function analyze(...args: string[]) {
  const { code, stdout, stderr } = await runTool("systemd-analyze", args);
  return { code, text: stdout + stderr };
}

async function analyzeIsMissing(): Promise<string | null> {
  const lack = missing("systemd-analyze");
  if (lack !== null) return lack;
  const { text } = await analyze("--version");
  const version = Number(/^systemd (\d+)/.exec(text)?.[1]);
  return version >= 250 ? null : `systemd-analyze ${version} knows no --offline`;
}
