// Whether a request with a cookie was made by a page of the console itself. The cookie alone never is enough: browsers send it with
// what other pages make them do, as far as SameSite lets them.

import type { IncomingHttpHeaders } from 'node:http';
import { SallyportError } from '../core/error.ts';

/** No other origin can set it without a CORS preflight, which this API never answers. */
const CONSOLE_HEADER = 'sallyport-console';
const UNATTENDED_HEADER = 'sallyport-unattended';

/** @param origin of the console, such as `https://gate.example.com`
 *  @throws SP_API_CROSS_SITE */
export function requireFromConsole(request: { readonly method: string; readonly headers: IncomingHttpHeaders }, origin: string): void {
  const { method, headers } = request;
  const isReading = method === 'GET' || method === 'HEAD';
  const site = headers['sec-fetch-site'];
  const said = headers.origin;
  if (said !== undefined && said !== origin) throw crossSite('another origin');
  if (site !== undefined && site !== 'same-origin') throw crossSite('not from the same origin');
  if (headers[CONSOLE_HEADER] === '1') {
    // Every browser says where a change comes from, in one of the two ways.
    if (!isReading && site === undefined && said === undefined) throw crossSite('no origin');
    return;
  }
  // EventSource and downloads cannot set headers.
  if (!isReading || site !== 'same-origin') throw crossSite('no header of the console');
}

/** Whether somebody is there: pages ask again by themselves, and say so. It can only make a log-in end sooner. */
export function isAttended({ headers }: { readonly headers: IncomingHttpHeaders }): boolean {
  return headers[UNATTENDED_HEADER] === undefined && headers.accept !== 'text/event-stream';
}

function crossSite(what: string): SallyportError {
  return new SallyportError('SP_API_CROSS_SITE', what);
}
