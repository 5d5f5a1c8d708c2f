// The console in a real browser, as the gateway serves it.

import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { type Browser, type BrowserContext, chromium } from 'playwright-core';
import { buildConsole } from '../../console/build.ts';
import { ensureDebianPackages } from './debian.ts';

const root = join(import.meta.dirname, '..', '..');
const CHROMIUM = '/usr/bin/chromium';

/** Builds `dist/console`, where a gateway of a checkout looks for it, unless it is newer than its source. */
export async function ensureConsole(): Promise<void> {
  const built = join(root, 'dist', 'console');
  const sources = ['console', 'src/evidence', 'src/audit/tlog', 'src/core'].flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' }).map((name) => join(root, folder, name)),
  );
  const page = join(built, 'index.html');
  const newest = Math.max(...sources.map((path) => statSync(path).mtimeMs));
  if (existsSync(page) && statSync(page).mtimeMs > newest) return;
  mkdirSync(join(root, 'dist'), { recursive: true });
  // Beside it first: another test file may be reading what is there.
  const fresh = mkdtempSync(join(root, 'dist', '.console-'));
  await buildConsole(join(fresh, 'console'));
  if (existsSync(built)) renameSync(built, join(fresh, 'old'));
  renameSync(join(fresh, 'console'), built);
  rmSync(fresh, { recursive: true });
}

export async function launchBrowser(): Promise<Browser> {
  ensureDebianPackages(['chromium']);
  const args = ['--no-sandbox', '--disable-gpu', '--disable-background-networking', '--disable-component-update', '--no-first-run'];
  return chromium.launch({ executablePath: CHROMIUM, args });
}

export interface ConsoleContext {
  readonly context: BrowserContext;
  /** What no page may ever do: faults of scripts, and what the content security policy stopped. */
  readonly faults: string[];
}

/** @param token of who is looking */
export async function openConsole(browser: Browser, token: string): Promise<ConsoleContext> {
  const context = await browser.newContext({
    ignoreHTTPSErrors: true,
    acceptDownloads: true,
    extraHTTPHeaders: { authorization: `Bearer ${token}` },
    viewport: { width: 1280, height: 900 },
  });
  const faults: string[] = [];
  context.on('weberror', (fault) => faults.push(String(fault.error())));
  context.on('console', (message) => {
    if (/Content Security Policy|TrustedScript/i.test(message.text())) faults.push(message.text());
  });
  return { context, faults };
}
