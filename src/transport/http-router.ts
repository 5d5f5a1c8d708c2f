// Routes by exact path. A part of a path that differs is written `*` and takes one segment; nothing else is a pattern.

import type { HttpHandler } from './http-server.ts';

export interface HttpRoute {
  readonly method: 'GET' | 'POST';
  /** `/queries/*` + `/result`: each `*` stands for one segment. */
  readonly path: string;
  readonly handle: HttpHandler;
}

/** One spelling for each path: no escapes, no empty segments, no dots that move. */
export function isPlainPath(path: string): boolean {
  if (!/^\/[A-Za-z0-9._~/-]*$/.test(path) || path.length > 2_048) return false;
  return (
    path === '/' ||
    path
      .slice(1)
      .split('/')
      .every((segment) => segment !== '' && segment !== '.' && segment !== '..')
  );
}

type Found = { readonly route: HttpRoute; readonly parts: readonly string[] };

/** @returns null when no route is for it. A plain `/session` and `/session/` are two paths. */
export function routerOf(routes: readonly HttpRoute[]): (method: string, path: string) => Found | null {
  const known = routes.map((route) => ({ route, segments: route.path.split('/') }));
  return (method, path) => {
    const segments = path.split('/');
    for (const { route, segments: pattern } of known) {
      if (route.method !== method || pattern.length !== segments.length) continue;
      if (!pattern.every((part, index) => part === '*' || part === segments[index])) continue;
      return { route, parts: segments.filter((_segment, index) => pattern[index] === '*') };
    }
    return null;
  };
}
