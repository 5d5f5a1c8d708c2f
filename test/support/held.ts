// Statements that a gateway holds, as their reviewer meets them over the API.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import type pg from 'pg';
import type { RowSample } from '../../src/core/preview.ts';
import type { TestGateway } from './gateway.ts';
import { callApi, until } from './small-clinic.ts';

export interface Preview {
  readonly estimatedRows: number | null;
  readonly affectedRows: number | null;
  readonly notCounted: string | null;
  readonly sampling: string | null;
}

export interface Shown {
  readonly id: string;
  readonly state: string;
  readonly preview: Preview | null;
  readonly sample: RowSample | null;
  readonly uses: number | null;
}

export type Outcome = pg.QueryResult | pg.DatabaseError;

export interface Held {
  readonly id: string;
  /** The NOTICE that said so. */
  readonly notice: string;
  readonly outcome: Promise<Outcome>;
}

export interface Reviewer {
  /** As the reviewer sees it, or who brings another token. */
  show(id: string, token?: string): Promise<Shown>;
  /** @returns the HTTP status */
  answer(id: string, body: object): Promise<number>;
  /** Once its preview is there. */
  previewed(id: string): Promise<Shown>;
  /** Sends a statement, reads its preview and denies it. */
  looked(client: pg.Client, sql: string, values?: readonly unknown[]): Promise<Shown>;
}

/** Sends a statement that is held. */
export async function hold(client: pg.Client, sql: string, values: readonly unknown[] = []): Promise<Held> {
  const noticed = once(client, 'notice') as Promise<[{ message: string }]>;
  const outcome: Promise<Outcome> = client.query(sql, [...values]).catch((fault: pg.DatabaseError) => fault);
  const early = await Promise.race([noticed, outcome]);
  if (!Array.isArray(early)) assert.fail(`not held: ${String(early)}`);
  const notice = JSON.stringify(early[0]);
  return { id: /apr_[a-z2-7]{26}/.exec(notice)?.[0] ?? assert.fail(notice), notice, outcome };
}

export function reviewerOf(gateway: TestGateway, token: string): Reviewer {
  const call = (path: string, by = token, body?: object): ReturnType<typeof callApi> =>
    callApi(gateway, gateway.running.api.port, by, path, body);
  const reviewer: Reviewer = {
    show: async (id, by = token) => JSON.parse((await call(`/v1/approvals/${id}`, by)).text) as Shown,
    answer: async (id, body) => (await call(`/v1/approvals/${id}/answer`, token, body)).status,
    async previewed(id) {
      let shown: Shown | null = null;
      await until('the preview is there', async () => (shown = await reviewer.show(id)).preview !== null);
      return shown ?? assert.fail();
    },
    async looked(client, sql, values) {
      const { id, outcome } = await hold(client, sql, values);
      const shown = await reviewer.previewed(id);
      assert.equal(await reviewer.answer(id, { verdict: 'deny' }), 200);
      await outcome;
      return shown;
    },
  };
  return reviewer;
}
