// Bodies of JSON, both ways.

import type { ServerResponse } from 'node:http';
import { SallyportError } from '../../core/error.ts';
import type { HttpRequest } from '../../transport/http-server.ts';
import { isObject, type JsonObject } from './protocol.ts';

/** @throws SP_WIRE_MALFORMED, SP_WIRE_TOO_LARGE */
export async function jsonBody(request: HttpRequest, maxBytes: number): Promise<JsonObject> {
  const bytes = await request.body(maxBytes);
  let value: unknown;
  try {
    value = JSON.parse(bytes.toString('utf8'));
  } catch (cause) {
    throw new SallyportError('SP_WIRE_MALFORMED', 'body is not JSON', { cause });
  }
  if (!isObject(value)) throw new SallyportError('SP_WIRE_MALFORMED', 'body is no object');
  return value;
}

export function sendJson(response: ServerResponse, status: number, value: object, headers: Readonly<Record<string, string>> = {}): void {
  const body = Buffer.from(JSON.stringify(value));
  const own = { 'content-type': 'application/json', 'content-length': body.length, 'cache-control': 'no-store' };
  response.writeHead(status, { ...own, ...headers }).end(body);
}

/** Printable, and short. */
export function userAgentOf(header: string | undefined): string {
  return (header ?? '').replaceAll(/[^\x20-\x7e]/g, '').slice(0, 200) || 'Sallyport';
}
