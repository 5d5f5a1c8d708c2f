// The export of evidence: auditors only, and nothing but a range that is one reaches the service.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { ApiApp } from './app.ts';
import { buildApi } from './app.ts';
import type { Fakes } from './testing.ts';
import { createFakes } from './testing.ts';

let app: ApiApp;
let fakes: Fakes;
before(async () => {
  fakes = createFakes();
  app = await buildApi(fakes.deps, null);
});
after(() => app.close());

const get = (query: string, who: string) =>
  app.inject({ method: 'GET', url: `/v1/evidence/export?${query}`, headers: { authorization: `Bearer ${who}` } });
const range = 'from=2026-10-01T00:00:00Z&to=2026-11-01T00:00:00%2B01:00';

test('an auditor gets the archive, and the service is told who it was', async () => {
  const answer = await get(`${range}&issuer=corp&subject=agent-1&target=clinic`, 'auditor');
  assert.equal(answer.statusCode, 200);
  assert.equal(answer.headers['content-type'], 'application/zip');
  assert.equal(answer.body, 'PK made up');
  const principal = { issuer: 'corp', subject: 'agent-1' };
  const request = { from: '2026-10-01T00:00:00.000Z', to: '2026-10-31T23:00:00.000Z', principal, target: 'clinic' };
  assert.deepEqual(fakes.exported, [{ by: 'ada', request }]);
});

test('everybody else, and ranges that are none, are refused before anything is made', async () => {
  const before = fakes.exported.length;
  for (const who of ['agent', 'officer', 'operator']) assert.equal((await get(range, who)).statusCode, 403, who);
  for (const query of [
    '',
    'from=2026-10-01T00:00:00Z',
    'from=yesterday&to=2026-11-01T00:00:00Z',
    'from=2026-11-01T00:00:00Z&to=2026-10-01T00:00:00Z',
    'from=2026-11-01T00:00:00Z&to=2026-11-01T00:00:00Z',
    `${range}&subject=agent-1`,
    `${range}&target=a%20b`,
    `${range}&other=1`,
  ]) {
    assert.equal((await get(query, 'auditor')).statusCode, 400, query);
  }
  assert.equal(fakes.exported.length, before);
});
