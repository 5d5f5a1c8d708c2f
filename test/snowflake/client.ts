// A client that speaks the protocol of Snowflake's drivers itself, and keeps every byte that it was given.

import { randomUUID } from 'node:crypto';
import { gunzipSync } from 'node:zlib';
import { tableFromIPC } from 'apache-arrow';
import type { Step } from './corpus/cases.ts';

export interface Endpoint {
  readonly url: string;
  readonly account: string;
  readonly token: string;
}

/** The answer to one statement. */
export interface Seen {
  readonly isError: boolean;
  /** Of errors. */
  readonly code: string;
  readonly sqlState: string;
  readonly message: string;
  readonly columns: readonly Readonly<Record<string, unknown>>[];
  /** Cells as they came: of JSON the texts, of Arrow the values as texts. */
  readonly rows: readonly (readonly (string | null)[])[];
  readonly queryId: string;
  readonly chunkCount: number;
}

type Json = Record<string, unknown>;

export class RawClient {
  /** By which a storage knows that a client came itself. */
  static readonly storageUserAgent = 'corpus-client';
  /** Every body received, as text; compressed parts as they unpack, Arrow also as its values. */
  readonly bytes: Buffer[] = [];
  readonly requestIds: string[] = [];
  readonly #endpoint: Endpoint;
  #token = '';

  private constructor(endpoint: Endpoint) {
    this.#endpoint = endpoint;
  }

  /** @throws Error with the code when the log-in is refused */
  static async login(endpoint: Endpoint, app = 'JavaScript'): Promise<RawClient> {
    const client = new RawClient(endpoint);
    const data = {
      CLIENT_APP_ID: app,
      CLIENT_APP_VERSION: app === 'JavaScript' ? '3.3.0' : '4.7.1',
      ACCOUNT_NAME: endpoint.account,
      LOGIN_NAME: 'corpus',
      AUTHENTICATOR: 'OAUTH',
      TOKEN: endpoint.token,
      CLIENT_ENVIRONMENT: { APPLICATION: 'corpus', OS: 'linux', OS_VERSION: '1' },
      SESSION_PARAMETERS: {},
    };
    const reply = await client.#post(`/session/v1/login-request?requestId=${randomUUID()}`, { data });
    if (reply['success'] !== true) throw new Error(`log-in: ${String(reply['code'])} ${String(reply['message'])}`);
    client.#token = String((reply['data'] as Json)['token']);
    return client;
  }

  async run(step: Step): Promise<Seen[]> {
    if (step.monitor !== undefined) {
      const reply = await this.#get(`/monitoring/queries/${step.monitor}`);
      const queries = ((reply['data'] as Json | null)?.['queries'] ?? []) as Json[];
      return [{ ...none, isError: reply['success'] !== true || queries.length === 0, code: String(reply['code'] ?? '') }];
    }
    if (step.abort !== undefined) {
      const reply = await this.#post(`/queries/${step.abort}/abort-request`, {});
      return [{ ...none, isError: reply['success'] !== true, code: String(reply['code'] ?? '') }];
    }
    if (step.result !== undefined) return await this.#answers(await this.#get(`/queries/${step.result}/result`));
    const requestId = step.requestOf === undefined ? randomUUID() : (this.requestIds[step.requestOf - 1] ?? randomUUID());
    this.requestIds.push(requestId);
    const reply = await this.#post(`/queries/v1/query-request?requestId=${requestId}`, {
      sqlText: step.sql ?? '',
      asyncExec: step.async === true,
      sequenceId: this.requestIds.length,
      querySubmissionTime: Date.now(),
      describeOnly: step.describe === true,
      parameters: { ...step.parameters, ...(step.count === undefined ? {} : { MULTI_STATEMENT_COUNT: step.count }) },
      ...(step.binds === undefined ? {} : { bindings: step.binds }),
      ...(step.bindStage === undefined ? {} : { bindStage: step.bindStage }),
    });
    return await this.#answers(reply, step.async === true);
  }

  async close(): Promise<void> {
    await this.#post('/session?delete=true', {}).catch(() => undefined);
  }

  async #answers(first: Json, isAsync = false): Promise<Seen[]> {
    let reply = first;
    const queryId = String((reply['data'] as Json | null)?.['queryId'] ?? '');
    if (isAsync && reply['code'] === '333334') return [{ ...none, queryId }];
    for (let tries = 0; (reply['code'] === '333333' || reply['code'] === '333334') && tries < 100; tries += 1)
      reply = await this.#get(String((reply['data'] as Json)['getResultUrl']));
    const data = (reply['data'] ?? {}) as Json;
    if (reply['success'] !== true) {
      return [
        {
          ...none,
          isError: true,
          code: String(reply['code']),
          sqlState: String(data['sqlState'] ?? ''),
          message: String(reply['message'] ?? ''),
          queryId,
        },
      ];
    }
    const children = data['resultIds'];
    if (typeof children === 'string' && children !== '') {
      const all: Seen[] = [];
      for (const id of children.split(',')) all.push(...(await this.#answers(await this.#get(`/queries/${id}/result`))));
      return all;
    }
    const isArrow = data['queryResultFormat'] === 'arrow';
    const rows: (string | null)[][] = isArrow
      ? this.#arrow(Buffer.from(String(data['rowsetBase64'] ?? ''), 'base64'))
      : ((data['rowset'] ?? []) as (string | null)[][]);
    const chunks = (data['chunks'] ?? []) as { url: string }[];
    const headers =
      Object.entries((data['chunkHeaders'] ?? {}) as Record<string, string>).length > 0
        ? (data['chunkHeaders'] as Record<string, string>)
        : keysOf(data['qrmk']);
    const all = [...rows];
    for (const { url } of chunks) {
      const response = await fetch(url, { headers: { ...headers, 'user-agent': RawClient.storageUserAgent } });
      const packed = Buffer.from(await response.arrayBuffer());
      const body = packed[0] === 0x1f && packed[1] === 0x8b ? gunzipSync(packed) : packed;
      if (response.status !== 200) return [{ ...none, isError: true, code: `chunk ${response.status}`, queryId }];
      this.bytes.push(body);
      all.push(...(isArrow ? this.#arrow(body) : (JSON.parse(`[${body.toString()}]`) as (string | null)[][])));
    }
    return [
      {
        ...none,
        columns: (data['rowtype'] ?? []) as Json[],
        rows: all,
        queryId: String(data['queryId'] ?? queryId),
        chunkCount: chunks.length,
      },
    ];
  }

  #arrow(stream: Buffer): (string | null)[][] {
    if (stream.length === 0) return [];
    const table = tableFromIPC(stream);
    const rows = Array.from({ length: table.numRows }, (_, row) =>
      table.schema.fields.map((_, index) => cellText(table.getChildAt(index)?.get(row))),
    );
    this.bytes.push(
      stream,
      Buffer.from(
        rows
          .flat()
          .filter((cell) => cell !== null)
          .join('\n'),
      ),
    );
    return rows;
  }

  async #post(path: string, body: Json): Promise<Json> {
    return await this.#send(path, { method: 'POST', body: JSON.stringify(body) });
  }

  async #get(path: string): Promise<Json> {
    return await this.#send(path, { method: 'GET' });
  }

  async #send(path: string, init: RequestInit): Promise<Json> {
    const response = await fetch(`${this.#endpoint.url}${path}`, {
      ...init,
      headers: {
        'content-type': 'application/json',
        accept: 'application/snowflake',
        ...(this.#token === '' ? {} : { authorization: `Snowflake Token="${this.#token}"` }),
      },
    });
    const text = await response.text();
    this.bytes.push(Buffer.from(text));
    if (response.status !== 200) return { success: false, code: `http ${response.status}`, message: text, data: null };
    return JSON.parse(text) as Json;
  }
}

const none: Seen = { isError: false, code: '', sqlState: '', message: '', columns: [], rows: [], queryId: '', chunkCount: 0 };

const keysOf = (qrmk: unknown): Record<string, string> =>
  typeof qrmk === 'string'
    ? { 'x-amz-server-side-encryption-customer-algorithm': 'AES256', 'x-amz-server-side-encryption-customer-key': qrmk }
    : {};

function cellText(value: unknown): string | null {
  if (value === null || value === undefined) return null;
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex');
  return typeof value === 'object' ? String(value) : String(value as number);
}
