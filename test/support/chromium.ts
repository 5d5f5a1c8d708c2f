// The console in Debian's Chromium, as a person has it before them. What a page may never do is watched in every one: speak to another
// origin, break its own content policy, complain in the console of the browser, or hold a protected value anywhere.

import axe from 'axe-core';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type Browser, type BrowserContext, type Page, type Request, chromium } from 'playwright-core';
import { buildConsole } from '../../console/build.ts';
import { ensureDebianPackages } from './debian.ts';

const DIST = join(import.meta.dirname, '..', '..', 'dist', 'console');
export const DESK = { width: 1280, height: 800 } as const;
export const PHONE = { width: 390, height: 844 } as const;

/** Debian's, with a profile of its own that speaks to nobody. The console is built when it is not there. */
export async function startChromium(): Promise<Browser> {
  ensureDebianPackages(['chromium']);
  if (!existsSync(join(DIST, 'index.html'))) await buildConsole(DIST);
  return chromium.launch({
    executablePath: '/usr/bin/chromium',
    // WHY no sandbox: it needs a user other than root, as whom the tests run in containers.
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-dev-shm-usage',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  });
}

export interface WatchedOptions {
  /** `https://127.0.0.1:<port>` of the gateway. */
  readonly origin: string;
  /** Of the identity provider, the one other place that people are sent to. */
  readonly issuer: string;
  readonly viewport?: { readonly width: number; readonly height: number };
  /** Paths that this person asks for and must not find. */
  readonly refused?: RegExp;
  /** What must be in no page and no answer. */
  readonly canary: RegExp;
}

export interface Answer {
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly text: string;
}

/** One person's browser, with one page. */
export interface Watched {
  readonly context: BrowserContext;
  readonly page: Page;
  /** Of the gateway so far, without redirects and event streams. */
  readonly answers: readonly Answer[];
  /** @throws with everything that was wrong since the last time, also in bodies and in the page as it is now */
  check(): Promise<void>;
}

export async function openWatched(browser: Browser, options: WatchedOptions): Promise<Watched> {
  const { origin, issuer, canary, refused } = options;
  const context = await browser.newContext({
    ignoreHTTPSErrors: true,
    viewport: options.viewport ?? DESK,
    reducedMotion: 'reduce',
    locale: 'en-GB',
  });
  context.setDefaultTimeout(15_000);
  const page = await context.newPage();
  const faults: string[] = [];
  const answers: Answer[] = [];
  const reading = new Set<Promise<void>>();
  page.on('pageerror', (fault) => faults.push(`error in the page: ${fault.message}`));
  page.on('console', (message) => {
    const { url } = message.location();
    // Nobody is logged in: the browser tells of the answer that says so.
    if (url === `${origin}/v1/whoami` && message.text().includes('401')) return;
    if (refused !== undefined && message.text().includes('404') && refused.test(new URL(url).pathname)) return;
    if (['error', 'warning'].includes(message.type())) faults.push(`${message.type()} in the console: ${message.text()} (${url})`);
  });
  context.on('request', (request) => {
    const url = new URL(request.url());
    const isLogIn = url.origin === issuer && (request.isNavigationRequest() || request.frame().url().startsWith(issuer));
    if (url.origin !== origin && !isLogIn && url.protocol !== 'blob:') faults.push(`a request to ${url.origin}${url.pathname}`);
  });
  const look = (where: string, text: string): void => {
    const found = canary.exec(text);
    if (found !== null) faults.push(`${where} has ${found[0]}`);
  };
  // When they have ended: an event stream never does, its messages are looked at one by one.
  context.on('requestfinished', (request) => {
    const { origin: from, pathname } = new URL(request.url());
    if (from === origin) reading.add(read(request, pathname));
  });
  const read = async (request: Request, path: string): Promise<void> => {
    // Nobody asks any more when the browser is closed.
    const response = await request.response().catch(() => null);
    if (response === null || (response.status() >= 300 && response.status() < 400)) return;
    // A page that is left takes the bodies of its answers along.
    const text = await response.text().catch(() => '');
    answers.push({ path, headers: response.headers(), text });
    look(`the answer to ${path}`, text);
  };
  const protocol = await context.newCDPSession(page);
  await protocol.send('Network.enable');
  protocol.on('Network.eventSourceMessageReceived', ({ eventName, data }) => look(`the event ${eventName}`, data));
  return {
    context,
    page,
    answers,
    async check() {
      await Promise.all(reading);
      look(`the page ${page.url()}`, await page.content());
      if (faults.length > 0) throw new Error(faults.splice(0).join('\n'));
    },
  };
}

interface AxeResults {
  readonly violations: readonly {
    readonly id: string;
    readonly help: string;
    readonly nodes: readonly { readonly html: string; readonly failureSummary?: string }[];
  }[];
}

/** What axe finds in the page as it is. `colours` = those rules only that depend on light or dark. */
export async function axeFaults(page: Page, rules: 'all' | 'colours'): Promise<string[]> {
  // As text: sent to the browser by its own protocol, and so no matter of the page's content policy.
  if (!(await page.evaluate<boolean>('"axe" in globalThis'))) await page.evaluate(axe.source);
  const options = rules === 'all' ? {} : { runOnly: ['color-contrast', 'link-in-text-block'] };
  const { violations } = await page.evaluate<AxeResults>(
    `axe.run(document, ${JSON.stringify({ ...options, resultTypes: ['violations'] })})`,
  );
  return violations.map(
    ({ id, help, nodes }) => `${id} (${help}): ${nodes.map(({ html, failureSummary = '' }) => `${html} ${failureSummary}`).join(' | ')}`,
  );
}

/** By how many pixels a page is wider than the window. */
export function overflowOf(page: Page): Promise<number> {
  return page.evaluate<number>('document.documentElement.scrollWidth - document.documentElement.clientWidth');
}
