/**
 * An `--on-change` that only root may run, such as `systemctl reload haproxy`: the service's own
 * user is refused it, so a path unit that watches the file of `--write` starts it as root.
 *
 * @module
 */

import { printable } from "../../base/log.ts";
import type { TypedOption } from "../options/typed_options.ts";
import { quoteArgument } from "./unit_quote.ts";

const PROGRAMS = /^\s*(?:\/(?:usr\/)?s?bin\/)?(?:systemctl|service)\s/;

/** What is left of the options, and the units that do the rest. */
export interface RootCommand {
  readonly kept: readonly TypedOption[];
  /** Comment lines below the unit, each unit's under a mark of its own. */
  readonly units: readonly string[];
}

/** Takes such a command out of the options where there are files to watch. */
export function rootCommand(given: readonly TypedOption[], template: boolean): RootCommand {
  const command = given.findLast(({ name }) => name === "on-change")?.value ?? "";
  const files = given.filter(({ name, value }) => name === "write" && value !== null)
    .map(({ value }) => (value ?? "").replace(/^[^/=]*=/, ""));
  if (!PROGRAMS.test(command)) return { kept: given, units: [] };
  const isWatchable = files.length > 0 && !template &&
    files.every((file) => file.startsWith("/") && !file.includes("{table}"));
  if (!isWatchable) {
    return {
      kept: given,
      units: [
        "",
        "# The command of --on-change runs as the service's user, which systemd may refuse it. With",
        "# --write /a/file in the options (without {table}), a path unit would run it as root.",
      ],
    };
  }
  const name = "lockstep-replicate-changed";
  return {
    kept: given.filter((option) => option.name !== "on-change"),
    units: [
      "",
      `# The service's user may not: ${printable(command)}`,
      "# So root runs it whenever the file has been replaced. The two units for that are in the",
      "# lines that follow; scripts/install.sh installs them, or, in /etc/systemd/system:",
      `#   sed -n 's/^#path| \\{0,1\\}//p' lockstep-replicate.service > ${name}.path`,
      `#   sed -n 's/^#changed| \\{0,1\\}//p' lockstep-replicate.service > ${name}.service`,
      `#   systemctl daemon-reload && systemctl enable --now ${name}.path`,
      ...marked("path", [
        "[Unit]",
        "Description=lockstep-replicate: wait for a file to be replaced",
        "",
        "[Path]",
        ...files.map((file) => `PathChanged=${file.replaceAll("%", "%%")}`),
        `Unit=${name}.service`,
        "",
        "[Install]",
        "WantedBy=multi-user.target",
      ]),
      ...marked("changed", [
        "[Unit]",
        "Description=lockstep-replicate: tell whoever reads the file",
        "# Each change starts it: none is refused for coming soon after another.",
        "StartLimitIntervalSec=0",
        "",
        "[Service]",
        "Type=oneshot",
        "# A change while the command runs wakes no path unit: it is looked for.",
        `ExecStart=/bin/sh -c ${quoteArgument(untilUnchanged(command, files))}`,
      ]),
    ],
  };
}

/** Shell text that runs the command, and again while the files were replaced meanwhile. */
function untilUnchanged(command: string, files: readonly string[]): string {
  const names = files.map((file) => `'${file.replaceAll("'", "'\\''")}'`).join(" ");
  return `seen() { stat -c %i.%y -- ${names}; }; ` +
    `while before=$(seen); do { ${command}; } || exit; [ "$before" = "$(seen)" ] && exit; done`;
}

function marked(mark: string, lines: readonly string[]): string[] {
  return lines.map((line) => `#${mark}| ${line}`.trimEnd());
}
