/**
 * The units under a real systemd: what only that can tell.
 *
 * @module
 */

import assert from "node:assert/strict";
import { repositoryPath } from "../../scripts/compile/run.ts";
import { BootedSystemd, noSystemd } from "../support/booted_systemd.ts";
import { testExecutable } from "../support/executable.ts";
import { startTestOrigin } from "../support/reference_origin.ts";
import { waitFor } from "../support/wait_for.ts";

const PLAIN = "lockstep-replicate";

const NAME = "installed services live as they are told to under a real systemd";

if (noSystemd === null) Deno.test(NAME, lives);
else console.log(`left out: ${NAME}: ${noSystemd}`);

async function lives(test: Deno.TestContext): Promise<void> {
  await using origin = startTestOrigin({ rows: [{ id: 1 }, { id: 2 }] });
  await using systemd = await BootedSystemd.boot();
  if (systemd === null) {
    console.log(`left out: ${NAME}: no systemd boots on this machine`);
    return;
  }
  const copy = async (from: string, to: string) =>
    await Deno.copyFile(from, `${systemd.root}${to}`);
  await copy(await testExecutable(), "/root/lockstep-replicate");
  await copy(repositoryPath("scripts/install.sh"), "/root/install.sh");
  const sh = async (script: string) => {
    const { code, stdout, stderr } = await systemd.run(`cd /root && ${script}`);
    assert.equal(code, 0, `${script}: ${stdout}${stderr}`);
    return stdout;
  };
  const property = async (unit: string, name: string) =>
    (await sh(`systemctl show --value -p ${name} ${unit}`)).trim();
  const isLive = (unit: string, rows = 2) =>
    waitFor(
      async () => (await property(unit, "StatusText")).includes(`servers: live, ${rows} rows`),
      `${unit} is live`,
      60_000,
    );
  const options = `--url ${origin.url} --status 0`;

  await test.step("READY comes with the first complete copy, and the status text tells of it", async () => {
    const said = await sh(`sh install.sh -- ${options}`);
    assert.match(said, /^Next: systemctl enable --now lockstep-replicate$/m);
    await sh(`systemctl enable --now ${PLAIN}`);
    assert.equal(await property(PLAIN, "ActiveState"), "active");
    await isLive(PLAIN);
    // Whoever may not read a dynamic user's store is told why, and what to do instead.
    const kv = "/var/lib/lockstep-replicate/replica.kv";
    const other = await systemd.run(
      "HOME=/tmp/other && mkdir -p $HOME && chown nobody $HOME && export HOME && " +
        `setpriv --reuid=65534 --clear-groups lockstep-replicate get servers 1 --kv ${kv}`,
    );
    assert.match(other.stderr, /its folder \/var\/lib\/private belongs to root/);
    assert.match(other.stderr, /no fixed user: read it as root .* over HTTP/);
    assert.match(await sh(`lockstep-replicate get servers 1 --kv ${kv}`), /"id":1/);
  });

  await test.step("a killed process is started again, and a stopped one by the watchdog", async () => {
    await sh(`mkdir -p /etc/systemd/system/${PLAIN}.service.d`);
    const short = "[Service]\\nWatchdogSec=3s\\nTimeoutStopSec=2s\\n";
    await sh(`printf '${short}' >/etc/systemd/system/${PLAIN}.service.d/short.conf`);
    await sh(`systemctl daemon-reload && systemctl restart ${PLAIN}`);
    for (const signal of ["KILL", "STOP"]) {
      const before = await property(PLAIN, "MainPID");
      await sh(`kill -${signal} ${before}`);
      await waitFor(
        async () => {
          const pid = await property(PLAIN, "MainPID");
          return pid !== before && pid !== "0";
        },
        `another process after SIG${signal}`,
        60_000,
      );
      await isLive(PLAIN);
    }
  });

  await test.step("an instance of the template runs beside the plain unit, also after both restart", async () => {
    await sh("sh install.sh --template");
    const env = "/etc/lockstep-replicate/a.env";
    await sh(
      `printf 'LOCKSTEP_URL=${origin.url}\\nLOCKSTEP_STATUS=0\\n' >${env} && chmod 600 ${env}`,
    );
    await sh(`systemctl enable --now ${PLAIN}@a`);
    await sh(`systemctl restart ${PLAIN} ${PLAIN}@a`);
    for (const unit of [PLAIN, `${PLAIN}@a`]) await isLive(unit);
    await sh(`systemctl stop ${PLAIN}`);
  });

  await test.step("a file elsewhere is written, its reader reloaded as root, a token read as a credential", async () => {
    await sh(
      "printf '[Service]\\nExecStart=/bin/sleep infinity\\nExecReload=/bin/touch /root/reloaded\\n'" +
        " >/etc/systemd/system/reader.service",
    );
    await sh("systemctl daemon-reload && systemctl start reader");
    await sh("echo a-long-random-token >/root/token && chmod 600 /root/token");
    await sh(
      `sh install.sh --yes -- ${options} --status-token-file /root/token ` +
        "--write /etc/reader/servers.json --on-change 'systemctl reload reader'",
    );
    await sh(`systemctl enable --now ${PLAIN} ${PLAIN}-changed.path`);
    await isLive(PLAIN);
    origin.table.put({ id: 3 });
    await waitFor(
      async () =>
        (await systemd.run("grep -q '\"id\":3' /etc/reader/servers.json && ls /root/reloaded"))
          .code === 0,
      "the file is there, and its reader was told",
      60_000,
    );
  });

  await test.step("uninstalling leaves nothing, and what is installed then runs", async () => {
    await sh("sh install.sh --uninstall --purge --yes");
    const left = await sh(
      "find /etc /usr /var -name '*lockstep*'",
    );
    assert.equal(left, "");
    assert.match(await sh(`systemctl list-units --all '${PLAIN}*'`), /^0 loaded units/m);
    await sh(`sh install.sh -- ${options} && systemctl enable --now ${PLAIN}`);
    await isLive(PLAIN, 3);
  });

  await test.step("a folder of others is opened only when that is asked for, and /etc never", async () => {
    await sh("mkdir -p /etc/reader2 && touch /etc/reader2/main.cfg");
    const given = (file: string) => `sh install.sh -- ${options} --write ${file} </dev/null`;
    const uninstall = "sh install.sh --uninstall --purge --yes";
    await sh(uninstall);
    const other = await systemd.run(`cd /root && ${given("/etc/reader2/a.json")}`);
    assert.match(other.stderr, /replace every file in \/etc\/reader2.*say --yes/);
    await sh(uninstall);
    const all = await systemd.run(`cd /root && ${given("/etc/a.json")}`);
    assert.match(all.stderr, /may not write to \/etc: name a file in a folder of its own/);
    assert.match(await sh("stat -c %G /etc /etc/reader2"), /^root\nroot\n$/);
  });
}
