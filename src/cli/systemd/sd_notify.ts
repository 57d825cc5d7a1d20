/**
 * sd_notify(3): telling systemd how the service is doing, without native code.
 *
 * The protocol is one datagram of `NAME=value` lines to the socket named by `NOTIFY_SOCKET`; a
 * leading `@` there stands for a NUL, an abstract name.
 *
 * @module
 */

/** Reads an environment variable. */
export type Environment = (name: string) => string | undefined;

/** Settings of {@linkcode openNotifier}. */
export interface NotifierOptions {
  /** Default: the process's environment. */
  readonly environment?: Environment;
  /** Default: this process's. */
  readonly pid?: number;
}

/** Numbers the sockets of one process, which can't share a name. */
let opened = 0;

/**
 * Opens the way to the service manager, or returns null where there is none to talk to.
 *
 * @example
 * ```ts
 * import { openNotifier } from "./sd_notify.ts";
 * console.assert(openNotifier({ environment: () => undefined }) === null);
 * ```
 */
export function openNotifier(options: NotifierOptions = {}): Notifier | null {
  const environment = options.environment ?? ((name) => Deno.env.get(name));
  const pid = options.pid ?? Deno.pid;
  const address = environment("NOTIFY_SOCKET") ?? "";
  // Paths and abstract names; systemd's `vsock:` is for virtual machines.
  if (!/^[/@]./.test(address)) return null;
  try {
    const socket = Deno.listenDatagram({
      transport: "unixpacket",
      path: `\0lockstep-replicate-${Deno.pid}-${++opened}`,
    });
    return new Notifier(socket, address.replace(/^@/, "\0"), watchdogMs(environment, pid));
  } catch {
    // No such sockets on this system, whatever the variable says.
    return null;
  }
}

/** systemd's patience with a silent service, in milliseconds, where it is this process's. */
function watchdogMs(environment: Environment, pid: number): number | null {
  const owner = environment("WATCHDOG_PID");
  if (owner !== undefined && owner !== String(pid)) return null;
  const microseconds = Number(environment("WATCHDOG_USEC"));
  return microseconds > 0 && Number.isFinite(microseconds) ? microseconds / 1000 : null;
}

/** An open way to the service manager. Messages are sent in order; failures are its own affair. */
export class Notifier implements AsyncDisposable {
  /** A sign of life is due at least this often, in milliseconds; null when none is asked for. */
  readonly watchdogMs: number | null;
  readonly #socket: Deno.DatagramConn;
  readonly #address: Deno.UnixAddr;
  #sent: Promise<unknown> = Promise.resolve();

  constructor(socket: Deno.DatagramConn, path: string, watchdogMs: number | null) {
    this.#socket = socket;
    this.#address = { transport: "unixpacket", path };
    this.watchdogMs = watchdogMs;
  }

  /** The service does what it is for. */
  ready(): Promise<void> {
    return this.#send("READY=1");
  }

  /** One line for `systemctl status`; control characters are taken out. */
  status(text: string): Promise<void> {
    return this.#send(`STATUS=${text.replace(/[\p{Cc}\u2028\u2029]+/gu, " ").trim()}`);
  }

  /** A sign of life, once the service is ready. */
  alive(): Promise<void> {
    return this.#send("WATCHDOG=1");
  }

  /** A sign of life before that: starting may take `ms` more from now on. */
  extend(ms: number): Promise<void> {
    return this.#send(`EXTEND_TIMEOUT_USEC=${Math.round(ms * 1000)}`);
  }

  stopping(): Promise<void> {
    return this.#send("STOPPING=1");
  }

  /** Waits for what is under way. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#sent;
    this.#socket.close();
  }

  #send(message: string): Promise<void> {
    const bytes = new TextEncoder().encode(message);
    const sent = this.#sent.then(async () => {
      try {
        await this.#socket.send(bytes, this.#address);
      } catch {
        // The manager is restarting or gone: the service has better things to do.
      }
    });
    this.#sent = sent;
    return sent;
  }
}
