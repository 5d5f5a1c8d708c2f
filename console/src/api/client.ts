// One function for every call of the public API. The browser's session cookie says who asks; the header says that a page of ours
// asks, which a page of another origin cannot say.

import { presence } from './presence.ts';
import type { Api } from './types.ts';

type Route = keyof Api;
type Given<T, Name extends string> = T extends undefined ? { readonly [name in Name]?: undefined } : { readonly [name in Name]: T };
export type CallOptions<R extends Route> = Given<Api[R]['path'], 'path'> &
  (Api[R]['query'] extends undefined ? { readonly query?: undefined } : { readonly query?: Api[R]['query'] }) &
  Given<Api[R]['body'], 'body'> & { readonly signal?: AbortSignal };
export type Answer<R extends Route> = Api[R]['answer'];

interface ProblemDocument {
  readonly status: number;
  readonly code: string;
  readonly title: string;
  readonly remedy?: string;
  readonly request?: string;
  readonly faults?: readonly { readonly path?: string; readonly message?: string }[];
}

/** A refusal of the API (RFC 9457), or no answer at all (`SP_UNREACHABLE`, made here). */
export class Problem extends Error {
  readonly status: number;
  readonly code: string;
  readonly remedy: string | null;
  /** What to tell the operator; null = the request never arrived. */
  readonly request: string | null;
  readonly faults: readonly string[];

  constructor(document: ProblemDocument) {
    super(document.title);
    this.name = 'Problem';
    this.status = document.status;
    this.code = document.code;
    this.remedy = document.remedy ?? null;
    this.request = document.request ?? null;
    this.faults = (document.faults ?? []).map(({ path, message }) => [path, message].filter(Boolean).join(': '));
  }
}

const unreachable = (): Problem =>
  new Problem({
    status: 0,
    code: 'SP_UNREACHABLE',
    title: 'The gateway does not answer',
    remedy: 'Check the connection; this page tries again by itself.',
  });

export const HEADERS: Readonly<Record<string, string>> = { 'sallyport-console': '1' };

/** `GET /v1/sessions/{id}` with `{path: {id}}` -> `/v1/sessions/ses_...`. */
export function urlOf(route: string, path: Readonly<Record<string, string>> = {}, query: object = {}): string {
  const filled = route.replace(/^[A-Z]+ /, '').replaceAll(/\{([^}]+)\}/g, (_, name: string) => encodeURIComponent(path[name] ?? ''));
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) if (value !== undefined && value !== '') search.set(name, String(value));
  return search.size === 0 ? filled : `${filled}?${search.toString()}`;
}

/** @throws {Problem} */
export async function call<R extends Route>(route: R, options: CallOptions<R>): Promise<Answer<R>> {
  const { path, query, body, signal } = options as {
    path?: Record<string, string>;
    query?: object;
    body?: unknown;
    signal?: AbortSignal;
  };
  const response = await send(urlOf(route, path, query), {
    method: route.slice(0, route.indexOf(' ')),
    headers: body === undefined ? HEADERS : { ...HEADERS, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    ...(signal === undefined ? {} : { signal }),
  });
  return (await response.json()) as Answer<R>;
}

/** For answers that are not JSON. @throws {Problem} */
export async function send(url: string, init: RequestInit): Promise<Response> {
  const headers = new Headers(init.headers);
  for (const [name, value] of Object.entries(presence.headers())) headers.set(name, value);
  let response: Response;
  try {
    response = await fetch(url, { ...init, headers, credentials: 'same-origin', redirect: 'error' });
  } catch (fault) {
    if (init.signal?.aborted === true) throw fault;
    throw unreachable();
  }
  if (response.ok) return response;
  throw new Problem(await problemOf(response));
}

async function problemOf(response: Response): Promise<ProblemDocument> {
  const unknown: ProblemDocument = { status: response.status, code: `HTTP_${response.status}`, title: 'The gateway refused this' };
  if (!(response.headers.get('content-type') ?? '').includes('json')) return unknown;
  try {
    return { ...unknown, ...((await response.json()) as Partial<ProblemDocument>), status: response.status };
  } catch {
    return unknown;
  }
}
