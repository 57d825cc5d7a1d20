/** The examples for `--on-change`, each with the program that it tells. */

import assert from "node:assert/strict";
import { repositoryPath } from "../../scripts/compile/run.ts";
import { TempFolder } from "../support/temp_store.ts";
import { missing, runTool, testUnless, testWith } from "../support/tools.ts";

const example = (name: string) => repositoryPath(`scripts/examples/${name}`);

const put = (key: string, value: unknown = { ip: key }) =>
  `{"table":"t","key":["${key}"],"kind":"put","value":${JSON.stringify(value)}}\n`;
const gone = (key: string) => `{"table":"t","key":["${key}"],"kind":"delete"}\n`;
const ALL = '{"table":"t","all":true}\n';

/** What each run is told; the second removes, and holds a command in disguise. */
const TOLD = [
  put("192.0.2.1") + put("192.0.2.2"),
  gone("192.0.2.1") + gone("192.0.2.9") + put("192.0.2.3") + put("192.0.2.4; flush ruleset"),
];

/** Runs an example in a network of its own, told these one after another; what `show` prints. */
async function inNetwork(setUp: string, script: string, told: readonly string[], show: string) {
  await using folder = await TempFolder.create();
  for (const [n, text] of told.entries()) {
    await Deno.writeTextFile(folder.file(`told-${n}`), text);
  }
  await Deno.writeTextFile(folder.file("rows"), '{"ip":"192.0.2.7"}\n{"ip":"no address"}\n');
  const runs = told.map((_, n) => `${script} < ${folder.file(`told-${n}`)}`).join("; ");
  const { code, stdout, stderr } = await runTool("unshare", [
    ...["-n", "sh", "-c", `set -e; ${setUp}; ${runs}; ${show}`],
  ], { env: { LOCKSTEP_FILE: folder.file("rows") } });
  assert.equal(code, 0, stderr);
  return stdout;
}

/** Why a network of our own can't be made with these programs. */
async function noNetwork(...tools: string[]): Promise<string | null> {
  const lack = missing("unshare", "jq", ...tools);
  if (lack !== null) return lack;
  const probe = tools.includes("nft") ? "nft add table inet filter" : "ipset create probe hash:net";
  const { code } = await runTool("unshare", ["-n", "sh", "-c", probe]);
  return code === 0 ? null : "this user may not make a network with its own filter: run as root";
}

testUnless(
  await noNetwork("nft"),
  "nft takes what changed, and nothing but addresses",
  async () => {
    const setUp = "nft add table inet filter; " +
      "nft add set inet filter blocked '{ type ipv4_addr; }'";
    const show = "nft list set inet filter blocked";
    const changed = await inNetwork(setUp, example("nft.sh"), TOLD, show);
    assert.deepEqual(changed.match(/192\.0\.2\.\d/g), ["192.0.2.2", "192.0.2.3"]);
    const all = await inNetwork(setUp, example("nft.sh"), [...TOLD, ALL], show);
    assert.deepEqual(all.match(/192\.0\.2\.\d/g), ["192.0.2.7"]);
  },
);

testUnless(
  await noNetwork("ipset"),
  "ipset takes what changed, and nothing but addresses",
  async () => {
    const setUp = "ipset create blocked hash:net";
    const show = "ipset list blocked | sort";
    const changed = await inNetwork(setUp, example("ipset.sh"), TOLD, show);
    assert.deepEqual(changed.match(/192\.0\.2\.\d/g), ["192.0.2.2", "192.0.2.3"]);
    const all = await inNetwork(setUp, example("ipset.sh"), [...TOLD, ALL], show);
    assert.deepEqual(all.match(/192\.0\.2\.\d/g), ["192.0.2.7"]);
  },
);

testWith(
  ["haproxy", "socat", "jq"],
  "a running HAProxy's map takes what changed, without a reload",
  async () => {
    await using folder = await TempFolder.create();
    const [map, socket, config] = [folder.file("map"), folder.file("sock"), folder.file("cfg")];
    await Deno.writeTextFile(map, "");
    await Deno.writeTextFile(
      config,
      `global\n  stats socket ${socket} level admin\n` +
        "defaults\n  mode http\n  timeout client 5s\n  timeout connect 5s\n  timeout server 5s\n" +
        `frontend f\n  bind ${
          folder.file("f")
        }\n  use_backend %[req.hdr(host),map(${map},b)]\nbackend b\n`,
    );
    await using haproxy = new Deno.Command("/usr/sbin/haproxy", {
      args: ["-db", "-f", config],
      stdout: "null",
      stderr: "null",
    }).spawn();
    try {
      const ask = async (command: string) =>
        (await runTool("socat", ["-", `UNIX-CONNECT:${socket}`], { stdin: `${command}\n` })).stdout;
      for (let n = 0; n < 100 && !(await ask("show info")).includes("Pid"); n++) {
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
      const tell = async (text: string) => {
        const env = {
          HAPROXY_MAP: map,
          HAPROXY_SOCKET: socket,
          LOCKSTEP_FILE: folder.file("rows"),
        };
        const { code, stderr } = await runTool(example("haproxy_map.sh"), [], { stdin: text, env });
        assert.equal(code, 0, stderr);
        return (await ask(`show map ${map}`)).trim().split("\n").map((line) =>
          line.split(" ").slice(1).join(" ")
        ).sort();
      };
      assert.deepEqual(
        await tell(put("a.example", { backend: "one" }) + put("b.example", { backend: "two" })),
        ["a.example one", "b.example two"],
      );
      assert.deepEqual(
        await tell(
          gone("a.example") + put("b.example", { backend: "three" }) +
            put("c.example", { backend: "x; clear map" }),
        ),
        ["b.example three"],
      );
      await Deno.writeTextFile(folder.file("rows"), '{"host":"d.example","backend":"four"}\n');
      assert.deepEqual(await tell(ALL), ["d.example four"]);
    } finally {
      haproxy.kill("SIGTERM");
    }
  },
);
