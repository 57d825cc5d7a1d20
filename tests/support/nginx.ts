/**
 * A real nginx in front of an origin, or of files: what a proxy does to an answer, it does here.
 *
 * @module
 */

import { findTool } from "./tools.ts";
import { waitFor } from "./wait_for.ts";

/** What nginx is told. */
export interface NginxOptions {
  /** Directives of the `http` block; several lines. */
  readonly http?: string;
  /** Directives of the `server` block, such as `location / { proxy_pass http://…; }`. */
  readonly server: string;
  /** Files of the folder that `root` names, by their names. */
  readonly files?: Readonly<Record<string, string | Uint8Array>>;
}

/**
 * A running nginx on a free port of 127.0.0.1, until it is disposed of. Its `root` is the folder of
 * the files. Tests that start one say so with `testWith(["nginx"], …)`.
 *
 * @example
 * ```ts
 * import { Nginx } from "./nginx.ts";
 * await using nginx = await Nginx.start({
 *   http: "gzip on; gzip_types application/x-ndjson;",
 *   server: "location / { default_type application/x-ndjson; }",
 *   files: { "servers.ndjson": '{"id":1,"updated_at":1}\n' },
 * });
 * console.log(await (await fetch(`${nginx.url}/servers.ndjson`)).text());
 * ```
 */
export class Nginx implements AsyncDisposable {
  /** `http://127.0.0.1:PORT`, without a path. */
  readonly url: string;
  /** The folder of the files that are served. */
  readonly root: string;
  readonly #folder: string;
  readonly #child: Deno.ChildProcess;

  private constructor(folder: string, root: string, port: number, child: Deno.ChildProcess) {
    this.#folder = folder;
    this.root = root;
    this.url = `http://127.0.0.1:${port}`;
    this.#child = child;
  }

  /**
   * Starts nginx before an origin, as a plain `proxy_pass` sets it up. The tail of an endless answer
   * that isn't chunked (nginx asks by HTTP/1.0) stays in its buffers: `closeDelimited(…, { end:
   * "stall" })`.
   */
  static before(origin: string): Promise<Nginx> {
    return Nginx.start({ server: `location / { proxy_pass ${origin}; }` });
  }

  /** Starts nginx, and waits until it answers. */
  static async start({ http = "", server, files = {} }: NginxOptions): Promise<Nginx> {
    const folder = await Deno.makeTempDir({ prefix: "lockstep-nginx-" });
    const root = `${folder}/www`;
    await Deno.mkdir(root);
    // As root, the workers are another user.
    await Deno.chmod(folder, 0o755);
    for (const [name, content] of Object.entries(files)) {
      if (typeof content === "string") await Deno.writeTextFile(`${root}/${name}`, content);
      else await Deno.writeFile(`${root}/${name}`, content);
    }
    const port = freePort();
    const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
      .map((name) => `${name}_temp_path ${folder}/${name};`);
    await Deno.writeTextFile(
      `${folder}/nginx.conf`,
      `daemon off; worker_processes 1; pid ${folder}/pid; error_log ${folder}/error.log;
       events { worker_connections 4096; }
       http {
         access_log ${folder}/access.log; ${temporary.join(" ")}
         ${http}
         server { listen 127.0.0.1:${port}; root ${root}; ${server} }
       }`,
    );
    const child = new Deno.Command(findTool("nginx") ?? "nginx", {
      args: ["-e", `${folder}/error.log`, "-c", `${folder}/nginx.conf`],
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
    const nginx = new Nginx(folder, root, port, child);
    try {
      await waitFor(() => isListening(port), "nginx listens");
    } catch (error) {
      console.error(await Deno.readTextFile(`${folder}/error.log`).catch(() => "no log"));
      await nginx[Symbol.asyncDispose]();
      throw error;
    }
    return nginx;
  }

  /** The requests so far, as lines of the access log: `"GET /x HTTP/1.1" 200 1234`. */
  async requests(): Promise<string[]> {
    const text = await Deno.readTextFile(`${this.#folder}/access.log`);
    return text.split("\n").flatMap((line) => /"GET .*?" \d+ \d+/.exec(line)?.[0] ?? []);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.#child.kill("SIGTERM");
    } catch { /* it has ended by itself */ }
    await this.#child.status;
    await Deno.remove(this.#folder, { recursive: true });
  }
}

function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}

async function isListening(port: number): Promise<boolean> {
  try {
    (await Deno.connect({ hostname: "127.0.0.1", port })).close();
    return true;
  } catch {
    return false;
  }
}
