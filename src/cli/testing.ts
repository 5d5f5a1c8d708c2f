// A command line under test: captured streams, no real time, and an HTTP server that plays the API. Tests only.

import { createServer } from 'node:http';
import type { IncomingMessage, Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { CliIo, CliStream } from './io.ts';
import type { CliDeps } from './ports.ts';
import { runCli } from './program.ts';

export interface Captured {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

export interface Seen {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly token: string | undefined;
  readonly body: unknown;
}

export type Answerer = (seen: Seen) => { readonly status?: number; readonly body: unknown; /** Default: JSON. */ readonly type?: string };

/** Plays the API on loopback. `answer` may be replaced between calls. */
export class FakeApi {
  readonly seen: Seen[] = [];
  answer: Answerer = () => ({ status: 404, body: {} });
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
  }

  static async start(): Promise<FakeApi> {
    const server = createServer();
    const api = new FakeApi(server);
    server.on('request', (request, response) => {
      void (async () => {
        const body = await readBody(request);
        const url = new URL(request.url ?? '/', 'http://fake');
        const seen: Seen = {
          method: request.method ?? '',
          path: url.pathname,
          query: url.searchParams,
          token: request.headers.authorization,
          body,
        };
        api.seen.push(seen);
        const { status = 200, body: answer, type = 'application/json' } = api.answer(seen);
        response.writeHead(status, { 'content-type': type });
        response.end(typeof answer === 'string' ? answer : JSON.stringify(answer));
      })();
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return api;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  get last(): Seen | undefined {
    return this.seen.at(-1);
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

async function readBody(request: IncomingMessage): Promise<unknown> {
  let text = '';
  for await (const chunk of request) text += String(chunk);
  return text === '' ? undefined : JSON.parse(text);
}

export interface Setting {
  readonly env?: Readonly<Record<string, string>>;
  readonly files?: Readonly<Record<string, string>>;
  /** Links by path; every other path is itself, in the folder `/work`. */
  readonly links?: Readonly<Record<string, string>>;
  readonly stdin?: string;
  readonly isTTY?: boolean;
  readonly columns?: number;
  readonly deps?: Partial<CliDeps>;
  /** Called instead of sleeping; `interrupt` plays Ctrl-C. */
  readonly onSleep?: (ms: number, interrupt: () => void) => void;
}

/** What is in a folder, by path from there. */
function namesBelow(files: Setting['files'], folder: string): string[] {
  const prefix = folder.replace(/\/?$/, '/');
  return Object.keys(files ?? {}).flatMap((name) => (name.startsWith(prefix) ? [name.slice(prefix.length)] : []));
}

export async function cli(argv: readonly string[], setting: Setting = {}): Promise<Captured> {
  const captured = { out: '', err: '' };
  const stream = (name: 'out' | 'err'): CliStream => ({
    isTTY: setting.isTTY ?? false,
    columns: setting.isTTY === true ? (setting.columns ?? 200) : undefined,
    write: (text) => void (captured[name] += text),
  });
  let interrupt = (): void => {};
  const io: CliIo = {
    stdout: stream('out'),
    stderr: stream('err'),
    env: setting.env ?? {},
    readText: async (path) => {
      const text = setting.files?.[path];
      if (text === undefined) throw new Error(`ENOENT: ${path}`);
      return text;
    },
    listFolder: async (path) => {
      const names = namesBelow(setting.files, path).map((name) => name.split('/')[0] ?? '');
      return names.length === 0 ? null : [...new Set(names)];
    },
    realPath: async (path) => {
      const linked = setting.links?.[path];
      if (linked !== undefined) return linked;
      if (path === '.') return '/work';
      return setting.files?.[path] === undefined && namesBelow(setting.files, path).length === 0
        ? null
        : `/work/${path}`.replace(/\/$/, '');
    },
    readStdin: async () => setting.stdin ?? '',
    sleep: async (ms, signal) => {
      setting.onSleep?.(ms, interrupt);
      signal.throwIfAborted();
    },
    onInterrupt: (listener) => {
      interrupt = listener;
      return () => (interrupt = () => {});
    },
  };
  const notGiven = async (): Promise<never> => {
    throw new Error('this test gives no such dependency');
  };
  const code = await runCli(
    {
      io,
      version: '1.2.3',
      serve: notGiven,
      demo: notGiven,
      certificates: notGiven,
      unseal: notGiven,
      verifyLog: notGiven,
      evidence: { exportOffline: notGiven, save: notGiven, verify: notGiven },
      ...setting.deps,
    },
    argv,
  );
  return { code, ...captured };
}
