// HTTP client of the Sallyport API. Faults of the connection and problems (RFC 9457) become CliFailure.
// REFUSES: sending a token over plain HTTP to anything but this machine, redirects, answers over 256 MiB.

import type { IncomingMessage } from 'node:http';
import { request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import { text } from 'node:stream/consumers';
import { z } from 'zod';
import { isLoopback } from '../core/address.ts';
import type { Secret } from '../core/secret.ts';
import { CliFailure, EXIT } from './failure.ts';

const MAX_ANSWER_BYTES = 256 * 1024 * 1024;
const SILENCE_MS = 60_000;
/** What is downloaded is made first, from millions of entries. */
const DOWNLOAD_SILENCE_MS = 900_000;
const MAX_PROBLEM_CHARS = 65_536;

export interface ClientOptions {
  readonly url: URL;
  readonly token: Secret;
  /** PEM certificates to trust instead of the system's. */
  readonly ca: string | null;
  readonly signal: AbortSignal;
}

export type Query = Readonly<Record<string, string | number | boolean | undefined>>;

export interface Progress {
  readonly done: number;
  readonly total: number;
}

const problemSchema = z.object({
  code: z.string(),
  title: z.string(),
  remedy: z.string(),
  request: z.string(),
  faults: z.array(z.object({ path: z.string(), what: z.string() })).optional(),
});

const lineSchema = z.object({
  progress: z.object({ done: z.number(), total: z.number() }).optional(),
  result: z.unknown().optional(),
  problem: problemSchema.extend({ status: z.number() }).optional(),
});

export class ApiClient {
  readonly #options: ClientOptions;

  /** @throws CliFailure when the token would travel in the clear */
  constructor(options: ClientOptions) {
    const { protocol, hostname } = options.url;
    if (protocol !== 'https:' && !(protocol === 'http:' && isLoopback(hostname))) {
      throw new CliFailure({
        exitCode: EXIT.usage,
        code: 'SP_CLI_USAGE',
        what: 'refusing to send a token without TLS',
        why: `${options.url.origin} is neither https nor on this machine`,
        next: 'Use the https address of the API (--api or SALLYPORT_API).',
      });
    }
    this.#options = options;
  }

  /** @returns the JSON answer as received, and the same checked against `schema`. */
  async get<T>(path: string, query: Query, schema: z.ZodType<T>): Promise<{ raw: unknown; value: T }> {
    return this.#call('GET', path, query, undefined, schema);
  }

  async post<T>(path: string, body: unknown, schema: z.ZodType<T>): Promise<{ raw: unknown; value: T }> {
    return this.#call('POST', path, {}, body, schema);
  }

  /** A post that is answered by lines of JSON: progress, then the result. */
  async work<T>(
    path: string,
    body: unknown,
    onProgress: (progress: Progress) => void,
    schema: z.ZodType<T>,
  ): Promise<{ raw: unknown; value: T }> {
    const url = new URL(path, this.#options.url);
    url.searchParams.set('progress', 'true');
    let last: z.infer<typeof lineSchema> = {};
    const { status, text } = await this.#exchange('POST', url, body, (line) => {
      const parsed = lineSchema.safeParse(parseJson(line));
      last = parsed.success ? parsed.data : {};
      if (last.progress !== undefined) onProgress(last.progress);
    });
    if (status < 200 || status > 299) throw refused(url, status, parseJson(text));
    if (last.problem !== undefined) throw refused(url, last.problem.status, last.problem);
    if (last.result === undefined) throw notUnderstood(url, 'the answer ended without a result');
    const checked = schema.safeParse(last.result);
    if (!checked.success) throw notUnderstood(url, 'the result has another shape than this version expects');
    return { raw: last.result, value: checked.data };
  }

  /** An answer that is no JSON, in pieces as they come. @throws CliFailure when it is refused or breaks off */
  async *download(path: string, query: Query): AsyncGenerator<Uint8Array> {
    const { token, ca, signal } = this.#options;
    const url = new URL(path, this.#options.url);
    for (const [key, value] of Object.entries(query)) if (value !== undefined) url.searchParams.set(key, String(value));
    const headers = { authorization: `Bearer ${token.reveal()}` };
    const answer = await new Promise<IncomingMessage>((resolve, reject) => {
      const options = { method: 'GET', headers, signal, timeout: DOWNLOAD_SILENCE_MS, agent: false };
      const outgoing =
        url.protocol === 'https:' ? requestHttps(url, { ...options, ...(ca === null ? {} : { ca }) }) : requestHttp(url, options);
      outgoing.once('timeout', () => outgoing.destroy(new Error(`no answer for ${DOWNLOAD_SILENCE_MS / 1000} s`)));
      outgoing.once('error', (error) => reject(signal.aborted ? error : unreachable(url, error)));
      outgoing.once('response', resolve);
      outgoing.end();
    });
    if (answer.statusCode !== 200) throw refused(url, answer.statusCode ?? 0, parseJson((await text(answer)).slice(0, MAX_PROBLEM_CHARS)));
    try {
      for await (const chunk of answer) yield chunk as Buffer;
    } catch (error) {
      throw signal.aborted ? error : unreachable(url, error as NodeJS.ErrnoException);
    }
  }

  async #call<T>(method: string, path: string, query: Query, body: unknown, schema: z.ZodType<T>) {
    const url = new URL(path, this.#options.url);
    for (const [key, value] of Object.entries(query)) if (value !== undefined) url.searchParams.set(key, String(value));
    const { status, text } = await this.#exchange(method, url, body);
    const raw = parseJson(text);
    if (status < 200 || status > 299) throw refused(url, status, raw);
    const checked = schema.safeParse(raw);
    if (!checked.success) throw notUnderstood(url, `answer ${status} has another shape than this version expects`);
    return { raw, value: checked.data };
  }

  /** @param onLine called with each line of newline-delimited JSON as it comes; such an answer has no text then. */
  #exchange(method: string, url: URL, body: unknown, onLine?: (line: string) => void): Promise<{ status: number; text: string }> {
    const { token, ca, signal } = this.#options;
    const payload = body === undefined ? null : JSON.stringify(body);
    const headers: Record<string, string> = { accept: 'application/json', authorization: `Bearer ${token.reveal()}` };
    if (payload !== null) {
      headers['content-type'] = 'application/json';
      headers['content-length'] = String(Buffer.byteLength(payload));
    }
    return new Promise((resolve, reject) => {
      const options = { method, headers, signal, timeout: SILENCE_MS, agent: false };
      const outgoing =
        url.protocol === 'https:' ? requestHttps(url, { ...options, ...(ca === null ? {} : { ca }) }) : requestHttp(url, options);
      outgoing.once('timeout', () => outgoing.destroy(new Error(`no answer for ${SILENCE_MS / 1000} s`)));
      outgoing.once('error', (error) => reject(signal.aborted ? error : unreachable(url, error)));
      outgoing.once('response', (answer) => {
        const chunks: Buffer[] = [];
        let bytes = 0;
        const lines = onLine !== undefined && answer.headers['content-type']?.startsWith('application/x-ndjson') === true ? onLine : null;
        answer.on('data', (chunk: Buffer) => {
          bytes += chunk.length;
          if (bytes > MAX_ANSWER_BYTES) outgoing.destroy(new Error('the answer is too large'));
          else chunks.push(chunk);
          if (lines === null || !chunk.includes(0x0a)) return;
          const whole = Buffer.concat(chunks.splice(0));
          const end = whole.lastIndexOf(0x0a);
          chunks.push(whole.subarray(end + 1));
          for (const line of whole.toString('utf8', 0, end).split('\n')) lines(line);
        });
        answer.once('end', () => resolve({ status: answer.statusCode ?? 0, text: Buffer.concat(chunks).toString('utf8') }));
        answer.once('error', (error) => reject(signal.aborted ? error : unreachable(url, error)));
      });
      outgoing.end(payload ?? undefined);
    });
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function refused(url: URL, status: number, raw: unknown): CliFailure {
  const problem = problemSchema.safeParse(raw);
  if (!problem.success) return notUnderstood(url, `it answered ${status} without a problem document`);
  const { code, title, remedy, request, faults = [] } = problem.data;
  const where = faults.map((fault) => `${fault.path === '' ? 'request' : fault.path}: ${fault.what}`).join('; ');
  return new CliFailure({
    exitCode: code === 'SP_API_BAD_REQUEST' || code === 'SP_CONFIG_INVALID' ? EXIT.usage : EXIT.failed,
    code,
    what: title,
    why: `${url.host} answered ${status} ${code}${where === '' ? '' : ` (${where})`}, ${request}`,
    next: remedy,
  });
}

function notUnderstood(url: URL, why: string): CliFailure {
  return new CliFailure({
    exitCode: EXIT.failed,
    code: 'SP_CLI_NOT_UNDERSTOOD',
    what: `what answers at ${url.origin} is not understood`,
    why,
    next: 'Check the address (--api or SALLYPORT_API), and that gateway and command line have the same version.',
  });
}

const TLS_NEXT = 'Give the CA certificate of the gateway with --ca FILE or SALLYPORT_CA, and use a name that is in its certificate.';
const NEXT_BY_CODE: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'Check that the gateway runs (`sallyport serve`) and the address (--api or SALLYPORT_API).',
  ENOTFOUND: 'Check the host name in --api or SALLYPORT_API.',
  ERR_TLS_CERT_ALTNAME_INVALID: TLS_NEXT,
  SELF_SIGNED_CERT_IN_CHAIN: TLS_NEXT,
  DEPTH_ZERO_SELF_SIGNED_CERT: TLS_NEXT,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: TLS_NEXT,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: TLS_NEXT,
  CERT_HAS_EXPIRED: 'Ask the operator for a new certificate of the gateway.',
  EPROTO: 'The address may be plain HTTP on this machine: try http:// instead of https://.',
  ECONNRESET: 'The address may want TLS: try https:// instead of http://.',
};

function unreachable(url: URL, error: NodeJS.ErrnoException): CliFailure {
  return new CliFailure({
    exitCode: EXIT.failed,
    code: 'SP_CLI_UNREACHABLE',
    what: `cannot reach the API at ${url.origin}`,
    why: error.code === undefined ? error.message : `${error.message} (${error.code})`,
    next: NEXT_BY_CODE[error.code ?? ''] ?? NEXT_BY_CODE['ECONNREFUSED'] ?? null,
    cause: error,
  });
}
