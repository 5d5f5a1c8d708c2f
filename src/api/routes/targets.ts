// One target, how to connect to it, and its columns with what protects them. Names and classes only: there is no value in here.

/* oxlint-disable oxc/no-async-endpoint-handlers -- fastify awaits its handlers; this is not Express */

import { z } from 'zod';
import { maskFor } from '../../core/decision.ts';
import { SallyportError } from '../../core/error.ts';
import type { TargetName } from '../../core/ids.ts';
import type { TargetAnalyst, TreeColumn } from '../../core/ports.ts';
import type { ApiApp } from '../app.ts';
import type { ApiDeps } from '../ports.ts';
import { targetSchema, targetView } from '../views.ts';
import { type Viewer, viewerOf } from '../viewer.ts';

const tags = ['targets'];
const params = z.object({ name: z.string().regex(/^[a-z][a-z0-9_-]{0,62}$/) });
/** Newest sessions among which the last use is looked for. */
const RECENT = 20;
/** Changes of connectors that are looked through. */
const MAX_CHANGES = 10_000;

const detailSchema = targetSchema.extend({
  liveSessions: z.int().describe('Own ones only, without oversight'),
  lastUsedAt: z.iso.datetime().nullable().describe('Of own sessions, without oversight'),
  reachable: z
    .object({ state: z.enum(['up', 'down']), since: z.string() })
    .nullable()
    .describe('The last change that the log has; null = none'),
  connect: z.object({
    database: z.string().describe('Name of the target; the gateway knows which database that is'),
    user: z.string().describe('Any will do: who it is, the token says'),
    password: z.literal('token').describe('A token of the identity provider'),
    listeners: z.array(z.object({ protocol: z.string(), host: z.string(), port: z.int(), isTls: z.boolean() })),
  }),
});

const columnSchema = z.object({
  schema: z.string(),
  relation: z.string(),
  relationKind: z.enum(['table', 'view', 'matview', 'foreign']),
  column: z.string(),
  type: z.string(),
  classes: z.array(
    z.object({
      class: z.string(),
      origin: z.enum(['rule', 'closure']).describe('`closure`: it holds values of a column that a rule names: view, partition, renamed'),
      pattern: z.string().nullable().describe('Of the rule; for auditors and operators only'),
    }),
  ),
  shown: z
    .string()
    .describe('Mask that the viewer, or the role asked for, sees it through: `clear`, `redact`, ...; `denied` without access'),
});

export function targetRoutes(app: ApiApp, deps: ApiDeps): void {
  const visible = (name: string, viewer: Viewer): TargetAnalyst => {
    const analyst = deps.analysts().find(({ target }) => target === name);
    if (analyst === undefined || !(viewer.rights.has('oversight') || deps.policy.hasAccess(viewer.principal, analyst.target)))
      throw new SallyportError('SP_API_NOT_FOUND', 'target unknown, or no access');
    return analyst;
  };

  app.get('/v1/targets/:name', { schema: { tags, params, response: { 200: detailSchema } } }, async (request) => {
    const viewer = viewerOf(request);
    const analyst = visible(request.params.name, viewer);
    const { target } = analyst;
    const mine = viewer.rights.has('oversight') ? {} : { owner: viewer.key };
    const [live, recent] = await Promise.all([deps.sessions.live(mine.owner), deps.sessions.list({ ...mine, target, limit: RECENT })]);
    const lastUsedMs = recent.length === 0 ? null : Math.max(...recent.map(({ lastAtMs }) => lastAtMs));
    return {
      ...targetView(analyst.status(), viewer),
      liveSessions: live.get(target) ?? 0,
      lastUsedAt: lastUsedMs === null ? null : new Date(lastUsedMs).toISOString(),
      reachable: await lastChange(target, deps),
      connect: {
        database: target,
        user: viewer.principal.subject,
        password: 'token' as const,
        listeners: deps.gateway.listeners().map((listener) => ({ ...listener })),
      },
    };
  });

  app.get(
    '/v1/targets/:name/columns',
    {
      schema: {
        tags,
        summary: 'Columns by schema and relation, with classes and how they are shown. No values',
        params,
        querystring: z.strictObject({
          search: z.string().trim().min(1).max(200).optional().describe('Part of schema.relation.column; case does not count'),
          schema: z.string().min(1).max(200).optional(),
          relation: z.string().min(1).max(200).optional(),
          protected: z.enum(['true', 'false']).optional(),
          role: z.string().min(1).max(200).optional().describe('As somebody with this role alone; auditors and operators only'),
          after: z.string().max(2000).optional().describe('`next` of the page before'),
          limit: z.coerce.number().int().min(1).max(500).default(200),
        }),
        response: {
          200: z.object({
            catalogueVersion: z.string().nullable(),
            total: z.int().describe('Columns that pass'),
            protected: z.int().describe('Of those, how many have a class'),
            schemas: z.array(z.object({ schema: z.string(), columns: z.int(), protected: z.int() })).describe('Of those that pass'),
            columns: z.array(columnSchema),
            next: z.string().nullable(),
          }),
        },
      },
    },
    async (request) => {
      const viewer = viewerOf(request);
      const isOverseer = viewer.rights.has('oversight');
      const { search, schema, relation, protected: isProtected, role, after, limit } = request.query;
      if (role !== undefined) viewer.require('oversight');
      const analyst = visible(request.params.name, viewer);
      const [tree, classes] = await Promise.all([analyst.tree(), analyst.protectedColumns()]);
      const classesOf = (column: TreeColumn): readonly string[] => classes.get(nameOf(column)) ?? [];
      const wanted = search?.toLowerCase();
      const passing = tree.filter(
        (column) =>
          (schema === undefined || column.schema === schema) &&
          (relation === undefined || column.relation === relation) &&
          (isProtected === undefined || classesOf(column).length > 0 === (isProtected === 'true')) &&
          (wanted === undefined || nameOf(column).toLowerCase().includes(wanted)),
      );
      const start = after === undefined ? 0 : positionAfter(after, passing);
      const page = passing.slice(start, start + limit);
      const shownAs = masksFor(analyst.target, role, viewer, deps);
      const last = page.at(-1);
      return {
        catalogueVersion: analyst.status().catalogueVersion,
        total: passing.length,
        protected: passing.filter((column) => classesOf(column).length > 0).length,
        schemas: [...Map.groupBy(passing, (column) => column.schema)].map(([name, columns]) => ({
          schema: name,
          columns: columns.length,
          protected: columns.filter((column) => classesOf(column).length > 0).length,
        })),
        columns: page.map((column) => {
          const names = classesOf(column);
          const patterns = names.length === 0 ? new Map<string, string>() : deps.policy.patternsOf(analyst.target, nameOf(column));
          return {
            ...column,
            classes: names.map((name) => ({
              class: name,
              origin: patterns.has(name) ? ('rule' as const) : ('closure' as const),
              pattern: isOverseer ? (patterns.get(name) ?? null) : null,
            })),
            shown: shownAs(names),
          };
        }),
        next: last !== undefined && start + limit < passing.length ? cursorOf(last) : null,
      };
    },
  );
}

const nameOf = ({ schema, relation, column }: TreeColumn): string => `${schema}.${relation}.${column}`;

/** As `masksFor` of the gate says it. */
function masksFor(
  target: TargetName,
  role: string | undefined,
  viewer: Viewer,
  { policy }: ApiDeps,
): (classes: readonly string[]) => string {
  if (role === undefined) {
    const masks = policy.hasAccess(viewer.principal, target) ? policy.masksFor(viewer.principal, target) : null;
    return (classes) => (masks === null ? 'denied' : maskFor(classes, masks));
  }
  const byClass = policy.masksOfRole(role, target);
  return (classes) => (byClass === null ? 'denied' : maskFor(classes, { id: '', byClass }));
}

function cursorOf({ schema, relation, column }: TreeColumn): string {
  return Buffer.from(JSON.stringify([schema, relation, column])).toString('base64url');
}

/** Where the page behind this column begins. Where the column is gone: behind its relation.
 *  @throws SP_API_BAD_REQUEST */
function positionAfter(cursor: string, columns: readonly TreeColumn[]): number {
  let parts: unknown = null;
  try {
    parts = JSON.parse(Buffer.from(cursor, 'base64url').toString());
  } catch {
    // Below.
  }
  if (!Array.isArray(parts) || parts.length !== 3 || !parts.every((part) => typeof part === 'string'))
    throw new SallyportError('SP_API_BAD_REQUEST', 'after is not the next of a page');
  const [schema = '', relation = '', column = ''] = parts as string[];
  const at = columns.findIndex((each) => each.column === column && each.relation === relation && each.schema === schema);
  if (at >= 0) return at + 1;
  const behind = columns.findIndex((each) => each.schema > schema || (each.schema === schema && each.relation > relation));
  return behind < 0 ? columns.length : behind;
}

async function lastChange(
  target: TargetName,
  { sessions, audit }: Pick<ApiDeps, 'sessions' | 'audit'>,
): Promise<{ state: 'up' | 'down'; since: string } | null> {
  let found: { seq: number; state: 'up' | 'down'; since: string } | null = null;
  for (const state of ['up', 'down'] as const) {
    const seqs = await sessions.entriesOfType(`connector.${state}`, { from: 0, to: audit.reader.size(), limit: MAX_CHANGES });
    for (const seq of (seqs ?? []).toReversed().slice(0, RECENT)) {
      if (found !== null && seq < found.seq) break;
      for await (const entry of audit.reader.entries(seq, seq + 1))
        if (entry.resource?.target === target && (found === null || seq > found.seq)) found = { seq, state, since: entry.ts };
    }
  }
  return found === null ? null : { state: found.state, since: found.since };
}
