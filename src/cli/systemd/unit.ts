/**
 * `lockstep-replicate unit`: a hardened systemd unit for the options given.
 *
 * What holds a secret never gets into the unit, which everybody may read: files are handed over as
 * systemd credentials, URLs and headers with secrets belong into the environment file.
 *
 * @module
 */

import { parseAddress } from "../../http/address.ts";
import { printable } from "../../base/log.ts";
import type { TypedOption } from "../options/typed_options.ts";
import { rootCommand } from "./root_command.ts";
import { secretNotes } from "./unit_secrets.ts";
import { escapePercent, quoteArgument, quotePath } from "./unit_quote.ts";

/** Options of {@linkcode unitText}. */
export interface UnitOptions {
  /** Absolute path of the executable. Default: `/usr/local/bin/lockstep-replicate`. */
  readonly executable?: string;
  /** What relative paths of credential files start from. Default: the working directory. */
  readonly directory?: string;
  /** Make it `lockstep-replicate@.service`, one instance for each environment file. */
  readonly template?: boolean;
}

/** Where `scripts/install.sh` puts the program unless told otherwise. */
export const EXECUTABLE = "/usr/local/bin/lockstep-replicate";

/** Options that name a file which the service's user may not be able to read. */
const CREDENTIALS: readonly string[] = [
  "header-file",
  "status-token-file",
  "kv-token-file",
  "ca",
  "cert",
  "cert-key",
];

/** What the sandbox must leave open, gathered from the options. */
interface Needs {
  /** Words of the command line, quoted for systemd. */
  readonly words: string[];
  readonly credentials: string[];
  /** Folders outside of systemd's own that the program writes to. */
  readonly writable: string[];
  /** Below /var/lib; ours, with systemd's specifiers in it. */
  readonly stateDirectory: string;
  /** Below /run. */
  runtimeDirectory: string | null;
  /** Listens on a port below 1024. */
  lowPort: boolean;
  once: boolean;
}

/**
 * The unit's text.
 *
 * @example
 * ```ts
 * import { unitText } from "./unit.ts";
 * const text = unitText([{ name: "url", value: "http://origin/servers" }]);
 * console.assert(text.includes("--url http://origin/servers"));
 * ```
 * @throws {Error} where a path holds a line break, which no unit can say
 */
export function unitText(given: readonly TypedOption[], options: UnitOptions = {}): string {
  const template = options.template ?? false;
  const instance = template ? "%i" : "lockstep-replicate";
  const environmentFile = `/etc/lockstep-replicate/${instance}.env`;
  const { kept: open, notes } = secretNotes(given, environmentFile);
  const { kept, units } = rootCommand(open, template);
  const needs = needsOf(kept, options);
  // What has no URL on its command line can't start without the file.
  const hasUrl = kept.some(({ name }) => name === "url");
  const optional = !template && hasUrl && notes.length === 0;
  return [
    ...intro(template, environmentFile),
    ...(template || hasUrl || notes.length > 0
      ? []
      : ["# So does the line LOCKSTEP_URL=…, as no --url was given."]),
    ...notes,
    "",
    "[Unit]",
    `Description=lockstep-replicate: live copy of a remote record set${template ? " (%i)" : ""}`,
    "Wants=network-online.target",
    "After=network-online.target",
    // At most ten starts in ten minutes; then it stays failed, for a person to look.
    ...(needs.once ? [] : ["StartLimitIntervalSec=10min", "StartLimitBurst=10"]),
    "",
    "[Service]",
    ...lifecycle(needs.once),
    `ExecStart=${commandLine(options.executable ?? EXECUTABLE, needs.words)}`,
    `EnvironmentFile=${optional ? "-" : ""}${environmentFile}`,
    ...needs.credentials,
    "# The status page takes as many connections as this allows.",
    "LimitNOFILE=65536",
    "",
    ...folders(needs),
    "",
    ...sandbox(needs),
    ...(needs.once ? timer(template) : ["", "[Install]", "WantedBy=multi-user.target"]),
    ...units,
    "",
  ].join("\n");
}

function intro(template: boolean, environmentFile: string): string[] {
  return template
    ? [
      "# /etc/systemd/system/lockstep-replicate@.service",
      `# An instance's options are the LOCKSTEP_… lines of ${environmentFile} (mode 0600):`,
      "# at least LOCKSTEP_URL=…; systemctl enable --now lockstep-replicate@NAME",
    ]
    : [
      "# /etc/systemd/system/lockstep-replicate.service",
      `# Secrets go into ${environmentFile} (mode 0600).`,
    ];
}

function lifecycle(once: boolean): string[] {
  if (once) {
    return ["# --once: started by a timer or by hand, done when up to date.", "Type=oneshot"];
  }
  return [
    "# Ready when the first table is live, or serves what an earlier run has stored. Until then,",
    "# and while it runs, the program must give a sign of life.",
    "Type=notify",
    "NotifyAccess=main",
    "WatchdogSec=30s",
    "TimeoutStartSec=90s",
    "TimeoutStopSec=30s",
    "Restart=always",
    "RestartSec=2s",
    "# Wrong usage does not get better by itself.",
    "RestartPreventExitStatus=2",
  ];
}

/** The timer of a job that ends, in comments: so that one file holds both. */
function timer(template: boolean): string[] {
  const name = template ? "lockstep-replicate@" : "lockstep-replicate";
  const instance = template ? "lockstep-replicate@NAME.timer" : "lockstep-replicate.timer";
  return [
    "",
    `# Its timer, /etc/systemd/system/${name}.timer, is in the lines that follow:`,
    `#   sed -n 's/^#| \\{0,1\\}//p' ${name}.service > ${name}.timer`,
    `#   systemctl daemon-reload && systemctl enable --now ${instance}`,
    ...[
      "[Unit]",
      `Description=lockstep-replicate: bring the copy up to date${template ? " (%i)" : ""}`,
      "",
      "[Timer]",
      "OnBootSec=1min",
      "# Between the end of one run and the start of the next.",
      "OnUnitInactiveSec=15min",
      "RandomizedDelaySec=30s",
      "",
      "[Install]",
      "WantedBy=timers.target",
    ].map((line) => `#| ${line}`.trimEnd()),
  ];
}

function commandLine(executable: string, words: readonly string[]): string {
  return [quotePath(executable), ...words].join(" \\\n    ");
}

function folders(needs: Needs): string[] {
  const own = needs.writable.length === 0 ? ["DynamicUser=yes"] : [
    "# It writes outside of /var/lib, so its user must be one that stays. Once, as root:",
    "#   useradd --system --shell /usr/sbin/nologin lockstep-replicate",
    "# It replaces files in these folders, so it may write to them:",
    ...needs.writable.flatMap((path) => [
      `#   chgrp lockstep-replicate ${printable(path)}`,
      `#   chmod g+rwx ${printable(path)}`,
    ]),
    "User=lockstep-replicate",
  ];
  return [
    ...own,
    `StateDirectory=${needs.stateDirectory}`,
    "StateDirectoryMode=0700",
    `WorkingDirectory=%S/${needs.stateDirectory}`,
    "# A self-extracting executable unpacks itself here.",
    `CacheDirectory=${needs.stateDirectory}`,
    "CacheDirectoryMode=0700",
    ...(needs.runtimeDirectory === null
      ? []
      : [`RuntimeDirectory=${escapePercent(needs.runtimeDirectory)}`]),
    ...needs.writable.map((path) => `ReadWritePaths=${quotePath(path)}`),
    "UMask=0077",
  ];
}

/** What V8 can live with; it writes machine code at run time, so no MemoryDenyWriteExecute. */
function sandbox(needs: Needs): string[] {
  const capabilities = needs.lowPort ? "CAP_NET_BIND_SERVICE" : "";
  return [
    "NoNewPrivileges=yes",
    `CapabilityBoundingSet=${capabilities}`,
    `AmbientCapabilities=${capabilities}`,
    // In a user namespace of its own it could not bind a port of the host's below 1024.
    ...(needs.lowPort ? [] : ["PrivateUsers=yes"]),
    "PrivateDevices=yes",
    "PrivateTmp=yes",
    "ProtectSystem=strict",
    "ProtectHome=yes",
    "ProtectClock=yes",
    "ProtectControlGroups=yes",
    "ProtectHostname=yes",
    "ProtectKernelLogs=yes",
    "ProtectKernelModules=yes",
    "ProtectKernelTunables=yes",
    "ProtectProc=invisible",
    "ProcSubset=pid",
    "RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX",
    "RestrictNamespaces=yes",
    "RestrictRealtime=yes",
    "RestrictSUIDSGID=yes",
    "LockPersonality=yes",
    "KeyringMode=private",
    "RemoveIPC=yes",
    "SystemCallArchitectures=native",
    "SystemCallFilter=@system-service",
    "SystemCallFilter=~@privileged @resources",
    "SystemCallErrorNumber=EPERM",
  ];
}

function needsOf(given: readonly TypedOption[], options: UnitOptions): Needs {
  const needs: Needs = {
    words: [],
    credentials: [],
    writable: [],
    // Beside the plain unit's folder, not in it: that is a link, and belongs to another user.
    stateDirectory: options.template ? "lockstep-replicate@%i" : "lockstep-replicate",
    runtimeDirectory: null,
    lowPort: false,
    once: false,
  };
  if (!given.some(({ name }) => name === "kv")) {
    needs.words.push(`--kv %S/${needs.stateDirectory}/replica.kv`);
  }
  for (const option of given) add(needs, option, options);
  return needs;
}

function add(needs: Needs, { name, value }: TypedOption, options: UnitOptions): void {
  if (value === null) {
    needs.words.push(`--${name}`);
    needs.once ||= name === "once";
  } else if (CREDENTIALS.includes(name)) {
    const path = absolute(value, options.directory ?? Deno.cwd());
    needs.credentials.push(`LoadCredential=${name}:${escapePercent(path)}`);
    needs.words.push(`--${name} \${CREDENTIALS_DIRECTORY}/${name}`);
  } else {
    needs.words.push(...argumentWords(name, value));
    if (name === "kv" && value !== ":memory:" && !/^https?:/i.test(value)) {
      addFolder(needs, value.endsWith("/") ? `${value}.` : value);
    }
    if (name === "write") addFolder(needs, value.replace(/^[^/=]*=/, ""));
    if (name === "status") addListener(needs, value);
  }
}

function argumentWords(name: string, value: string): string[] {
  return [
    value.startsWith("-")
      ? quoteArgument(`--${name}=${value}`)
      : `--${name} ${quoteArgument(value)}`,
  ];
}

function addListener(needs: Needs, value: string): void {
  const address = parseAddress(value);
  if (address.kind === "tcp") {
    needs.lowPort ||= address.port > 0 && address.port < 1024;
    return;
  }
  const folder = /^(?:\/var)?\/run\/([^/]+)\/[^/]+$/.exec(address.path)?.[1];
  if (folder !== undefined) needs.runtimeDirectory = folder;
  else addFolder(needs, address.path);
}

/** Makes the folder of a file writable; relative paths start in the state folder. */
function addFolder(needs: Needs, file: string): void {
  if (!file.startsWith("/")) return;
  const folder = file.slice(0, file.lastIndexOf("/")) || "/";
  if (`${folder}/`.startsWith(`/var/lib/${needs.stateDirectory}/`)) return;
  if (!needs.writable.includes(folder)) needs.writable.push(folder);
}

function absolute(path: string, directory: string): string {
  return path.startsWith("/") ? path : `${directory.replace(/\/$/, "")}/${path}`;
}
