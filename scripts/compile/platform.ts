/**
 * The platforms that an executable can be built for.
 *
 * @module
 */

/** What `deno compile --target` takes. */
export const TARGETS = [
  "x86_64-unknown-linux-gnu",
  "aarch64-unknown-linux-gnu",
  "x86_64-apple-darwin",
  "aarch64-apple-darwin",
  "x86_64-pc-windows-msvc",
  "aarch64-pc-windows-msvc",
] as const;

export type Target = (typeof TARGETS)[number];

/** What a Deno executable asks of the machine that runs it. */
export interface Machine {
  /** As `uname -s` says it: `Linux`, `Darwin`. */
  readonly system: string;
  /** As `uname -m` says it (`aarch64` also where it says `arm64`). */
  readonly machine: string;
  /** The dynamic loader that must be there; empty where the system always has it. */
  readonly loader: string;
}

const ELF_MACHINES: Readonly<Record<number, string>> = { 62: "x86_64", 183: "aarch64" };
const MACH_O_CPUS: Readonly<Record<number, string>> = {
  0x01000007: "x86_64",
  0x0100000c: "aarch64",
};

/** ELF: the program header that names the loader. */
const PT_INTERP = 3;

/**
 * Reads an executable's headers.
 *
 * @throws {Error} when it is no 64-bit ELF or Mach-O executable for x86_64 or aarch64
 */
export function machineOf(executable: Uint8Array): Machine {
  const view = new DataView(executable.buffer, executable.byteOffset, executable.byteLength);
  const magic = view.byteLength >= 64 ? view.getUint32(0) : 0;
  if (magic === 0x7f454c46 && view.getUint8(4) === 2) {
    const machine = ELF_MACHINES[view.getUint16(18, true)];
    if (machine !== undefined) return { system: "Linux", machine, loader: loaderOf(view) };
  }
  if (magic === 0xcffaedfe) {
    const machine = MACH_O_CPUS[view.getUint32(4, true)];
    if (machine !== undefined) return { system: "Darwin", machine, loader: "" };
  }
  throw new Error("it is no 64-bit Linux or macOS executable for x86_64 or aarch64");
}

function loaderOf(elf: DataView): string {
  const table = Number(elf.getBigUint64(32, true));
  const entrySize = elf.getUint16(54, true);
  const entries = elf.getUint16(56, true);
  for (let index = 0; index < entries; index++) {
    const entry = table + index * entrySize;
    if (elf.getUint32(entry, true) !== PT_INTERP) continue;
    const offset = Number(elf.getBigUint64(entry + 8, true));
    const length = Number(elf.getBigUint64(entry + 32, true)) - 1; // without the final NUL
    return new TextDecoder().decode(new Uint8Array(elf.buffer, elf.byteOffset + offset, length));
  }
  return "";
}
