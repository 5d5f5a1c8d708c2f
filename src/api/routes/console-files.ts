// The console's files. What is served is named by a narrow grammar: no dot at the start of a segment, so nothing climbs out and nothing
// hidden is found. Paths without a dot are pages of the app, and all of them are its index.html.

/* oxlint-disable oxc/no-async-endpoint-handlers -- fastify awaits its handlers; this is not Express */

import fastifyStatic from '@fastify/static';
import type { FastifyReply } from 'fastify';
import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { SallyportError } from '../../core/error.ts';
import type { ApiApp } from '../app.ts';
import { CONSOLE_HOME } from '../return-path.ts';

const FILE = /^(?:[A-Za-z0-9_-][A-Za-z0-9._-]*\/){0,4}[A-Za-z0-9_-][A-Za-z0-9._-]*\.[A-Za-z0-9]+$/;
/** Chosen by Accept-Encoding, never by name. */
const COMPRESSED = /\.(?:br|gz)$/;
/** `<name>-<hash>.<extension>`: another content has another name. */
const HASHED = /^assets\/[^/]*-[A-Za-z0-9_-]{6,}\.[A-Za-z0-9.]+$/;
const YEAR_MS = 31_536_000_000;
const SERVED_PER_MINUTE = 6_000;

const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "font-src 'self'",
  "connect-src 'self'",
  "worker-src 'self'",
  "manifest-src 'self'",
  "base-uri 'none'",
  "form-action 'self'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  'trusted-types sallyport',
].join('; ');

const HEADERS = {
  'content-security-policy': POLICY,
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'permissions-policy':
    'accelerometer=(), camera=(), display-capture=(), geolocation=(), gyroscope=(), magnetometer=(), microphone=(), midi=(), payment=(), usb=()',
  'x-content-type-options': 'nosniff',
} as const;

const NOT_BUILT = `<!doctype html><html lang="en"><meta charset="utf-8"><title>Sallyport</title>
<h1>The console is not built</h1><p>Run <code>npm run build:console</code> in the source tree, then load this page again. The API works without it.</p></html>`;

/** @param folder where the built console lies; null = nowhere */
export async function consoleFileRoutes(app: ApiApp, folder: string | null): Promise<void> {
  const config = { rateLimit: { max: SERVED_PER_MINUTE, timeWindow: 60_000 } };
  const options = { config, schema: { hide: true } };
  app.get('/', options, async (_request, reply) => reply.redirect(CONSOLE_HOME, 302));
  app.get('/console', options, async (_request, reply) => reply.redirect(CONSOLE_HOME, 302));
  if (folder !== null) await app.register(fastifyStatic, { root: folder, serve: false, preCompressed: true, suppressWarning: true });

  app.get<{ Params: { '*': string } }>('/console/*', options, async (request, reply) => {
    const path = request.params['*'];
    const isPage = !path.includes('.');
    if (!isPage && (!FILE.test(path) || COMPRESSED.test(path))) throw notThere();
    void reply.headers(HEADERS);
    const name = isPage ? 'index.html' : path;
    if (folder === null || !(await exists(join(folder, name)))) {
      if (!isPage) throw notThere();
      return reply.code(503).type('text/html; charset=utf-8').send(NOT_BUILT);
    }
    return send(reply, name);
  });
}

function send(reply: FastifyReply, name: string): FastifyReply {
  if (HASHED.test(name)) return reply.sendFile(name, { maxAge: YEAR_MS, immutable: true, dotfiles: 'deny' });
  // May be kept, but is asked for again each time: an answer without a body when it is still the same.
  void reply.header('cache-control', 'no-cache');
  return reply.sendFile(name, { cacheControl: false, dotfiles: 'deny' });
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

function notThere(): SallyportError {
  return new SallyportError('SP_API_NOT_FOUND', 'no such file');
}
