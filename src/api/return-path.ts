// Where a browser goes after a log-in: a page of the console. Anything that a browser might read as another host, or as a path that
// climbs out, is refused, in every spelling.

import { SallyportError } from '../core/error.ts';

export const CONSOLE_HOME = '/console/';
const MAX_LENGTH = 2_000;
/** Routes of the log-in itself. */
const NOT_PAGES = /^\/console\/(?:login|callback|logout)(?:\/|$)/;

/** @param asked as it came in the query; absent = the home page. @throws SP_API_BAD_REQUEST */
export function returnPathOf(asked: string | undefined): string {
  if (asked === undefined) return CONSOLE_HOME;
  const url = URL.parse(asked, 'https://console.invalid');
  const isPage =
    asked.length <= MAX_LENGTH &&
    asked.startsWith(CONSOLE_HOME) &&
    /^[\u0021-\u007e]+$/.test(asked) &&
    !asked.includes('\\') &&
    url?.origin === 'https://console.invalid' &&
    // Nothing was resolved away, and nothing is left for the next reader to resolve.
    `${url.pathname}${url.search}${url.hash}` === asked &&
    !url.pathname.includes('//') &&
    !/%(?:2e|2f|5c|25|0)/i.test(url.pathname) &&
    !NOT_PAGES.test(url.pathname);
  if (!isPage) throw new SallyportError('SP_API_BAD_REQUEST', 'not a page of the console');
  return asked;
}
