// One POST to somewhere outside. The name is resolved here, every address it has is judged, and the connection goes to exactly
// those addresses: no second look-up can lead elsewhere (DNS rebinding).
// REFUSES: plain HTTP off this machine, addresses that `allowPrivate` does not cover, redirects (never followed), proxies of the
// environment, answers over 64 KiB, answers that take longer than the deadline.

import { lookup as dnsLookup } from 'node:dns/promises';
import { request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import { isIP, type LookupFunction } from 'node:net';
import { isLoopback } from '../core/address.ts';
import { addressKind } from './public-address.ts';

export interface EgressRules {
  /** Addresses of private networks and of this machine are accepted. Metadata services and link-local never are. */
  readonly allowPrivate: boolean;
  /** Plain HTTP, to this machine only. */
  readonly insecure: boolean;
  /** PEM certificates to trust instead of the system's; null = the system's. */
  readonly ca: string | null;
}

export interface ResolvedAddress {
  readonly address: string;
  readonly family: number;
}
export type Resolve = (hostname: string) => Promise<readonly ResolvedAddress[]>;

export interface EgressDeps {
  readonly resolve: Resolve;
  /** From look-up to the last byte of the answer. */
  readonly deadlineMs: number;
}

export type EgressFault =
  | 'url-refused'
  | 'name-unknown'
  | 'address-refused'
  | 'unreachable'
  | 'tls-failed'
  | 'timeout'
  | 'answer-too-large'
  | 'interrupted';

export type Exchange =
  | { readonly fault: EgressFault }
  | {
      readonly fault: null;
      readonly status: number;
      readonly retryAfterMs: number | null;
      readonly body: string;
      readonly bytes: Uint8Array;
    };

export const systemEgress: EgressDeps = {
  resolve: (hostname) => dnsLookup(hostname, { all: true, order: 'verbatim' }),
  deadlineMs: 10_000,
};

const MAX_ANSWER_BYTES = 64 * 1024;
const MAX_HEADER_BYTES = 16 * 1024;
const MAX_RETRY_AFTER_MS = 3_600_000;

/** Why this URL can never be sent to under `rules`; null = the scheme and form are fine, its addresses are judged later. */
export function urlFault(url: URL, rules: Pick<EgressRules, 'insecure'>): string | null {
  if (url.username !== '' || url.password !== '') return 'it holds credentials';
  if (url.hash !== '') return 'it has a fragment';
  if (url.protocol === 'https:') return null;
  if (url.protocol !== 'http:') return 'it is not https';
  if (!rules.insecure) return 'it is not https; `insecure: true` allows http on loopback';
  return isLoopback(url.hostname) ? null : 'plain http is accepted on loopback only';
}

/** Sends once. Never throws: whatever happens is a fault of the closed vocabulary, without text of the other side. */
export async function post(
  url: URL,
  message: { readonly headers: Readonly<Record<string, string>>; readonly body: string | Uint8Array },
  rules: EgressRules,
  deps: EgressDeps,
  signal: AbortSignal,
): Promise<Exchange> {
  if (urlFault(url, rules) !== null) return { fault: 'url-refused' };
  const deadline = new AbortController();
  const timer = setTimeout(() => deadline.abort(), deps.deadlineMs);
  try {
    const both = AbortSignal.any([signal, deadline.signal]);
    const addresses = await acceptedAddresses(url.hostname, url.protocol === 'http:', rules, deps, both);
    if (typeof addresses === 'string') return { fault: both.aborted ? (signal.aborted ? 'interrupted' : 'timeout') : addresses };
    const exchange = await exchangeWith(url, addresses, message, rules, both);
    if (exchange.fault === null || !both.aborted) return exchange;
    return { fault: signal.aborted ? 'interrupted' : 'timeout' };
  } finally {
    clearTimeout(timer);
  }
}

/** Where a host leads, every address judged: connect to one of these and look nothing up again.
 *  @param isPlain without TLS: this machine only. @returns the addresses, at least one, or why there are none. */
export async function acceptedAddresses(
  hostname: string,
  isPlain: boolean,
  rules: Pick<EgressRules, 'allowPrivate'>,
  deps: Pick<EgressDeps, 'resolve'>,
  signal: AbortSignal,
): Promise<readonly ResolvedAddress[] | 'name-unknown' | 'address-refused'> {
  const host = hostname.replace(/^\[(.*)\]$/, '$1');
  const literal = isIP(host);
  let addresses: readonly ResolvedAddress[];
  try {
    addresses = literal === 0 ? await untilAborted(deps.resolve(host), signal) : [{ address: host, family: literal }];
  } catch {
    return 'name-unknown';
  }
  if (addresses.length === 0) return 'name-unknown';
  // One bad address spoils the name: choosing among them would let whoever answers for it try again.
  return addresses.every(({ address }) => isAccepted(address, rules, isPlain)) ? addresses : 'address-refused';
}

function isAccepted(address: string, rules: Pick<EgressRules, 'allowPrivate'>, isPlain: boolean): boolean {
  const kind = addressKind(address);
  if (isPlain) return kind === 'loopback';
  return kind === 'public' || (rules.allowPrivate && (kind === 'private' || kind === 'loopback'));
}

function untilAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const abort = (): void => reject(new Error('aborted'));
    if (signal.aborted) abort();
    signal.addEventListener('abort', abort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}

function exchangeWith(
  url: URL,
  addresses: readonly ResolvedAddress[],
  message: { readonly headers: Readonly<Record<string, string>>; readonly body: string | Uint8Array },
  rules: EgressRules,
  signal: AbortSignal,
): Promise<Exchange> {
  const pinned: LookupFunction = (_hostname, options, callback) => {
    const [first] = addresses;
    if (options.all === true) callback(null, [...addresses]);
    else callback(null, first?.address ?? '', first?.family ?? 4);
  };
  const options = {
    method: 'POST',
    headers: { ...message.headers, 'content-length': String(Buffer.byteLength(message.body)), connection: 'close' },
    // An agent of its own: no shared connections, and no proxy from the environment.
    agent: false as const,
    lookup: pinned,
    maxHeaderSize: MAX_HEADER_BYTES,
    signal,
  };
  return new Promise((settle) => {
    const outgoing =
      url.protocol === 'https:'
        ? requestHttps(url, { ...options, minVersion: 'TLSv1.2', ...(rules.ca === null ? {} : { ca: rules.ca }) })
        : requestHttp(url, options);
    outgoing.on('error', (error) => settle({ fault: isTlsFault(error) ? 'tls-failed' : 'unreachable' }));
    outgoing.once('response', (answer) => {
      const chunks: Buffer[] = [];
      let bytes = 0;
      answer.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
        if (bytes <= MAX_ANSWER_BYTES) return void chunks.push(chunk);
        settle({ fault: 'answer-too-large' });
        outgoing.destroy();
      });
      answer.once('error', () => settle({ fault: 'unreachable' }));
      answer.once('end', () => {
        const whole = Buffer.concat(chunks);
        settle({
          fault: null,
          status: answer.statusCode ?? 0,
          retryAfterMs: retryAfterMs(answer.headers['retry-after'], answer.headers.date),
          body: whole.toString('utf8'),
          bytes: whole,
        });
      });
    });
    outgoing.end(message.body);
  });
}

function isTlsFault(error: NodeJS.ErrnoException): boolean {
  return /^(ERR_TLS|ERR_SSL|CERT_|UNABLE_TO_|SELF_SIGNED|DEPTH_ZERO|HOSTNAME_MISMATCH|EPROTO)/.test(error.code ?? '');
}

/** Seconds or an HTTP date, which is read against the answer's own `Date`: the clocks may differ. Bounded to an hour. */
export function retryAfterMs(header: string | undefined, date: string | undefined): number | null {
  if (header === undefined) return null;
  const ms = /^\d{1,9}$/.test(header.trim()) ? Number(header) * 1000 : Date.parse(header) - Date.parse(date ?? '');
  return Number.isFinite(ms) ? Math.min(MAX_RETRY_AFTER_MS, Math.max(0, ms)) : null;
}
