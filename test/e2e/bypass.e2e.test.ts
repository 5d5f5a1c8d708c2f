// The bypass corpus through the real gateway: no leak, no distinguishable pair, no lost usability. On the embedded
// PostgreSQL 18; what only an older server does is run on Debian's, where that is installed (`why` of the case says why).

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { type Case, corpusDirectory, corpusFiles, isFor, readCases, readPolicy } from '../bypass/cases.ts';
import { Runner } from '../bypass/run.ts';
import { type LiveWorlds, type Server, debianPostgres, startDebian, startEmbedded, startWorlds } from '../bypass/worlds.ts';

const embeddedVersionNum = 180_000;
const policy = readPolicy();
const cases = corpusFiles().flatMap((file) => readCases(file));
const older = cases.filter((each) => !isFor(each, embeddedVersionNum));

function corpus(title: string, start: () => Promise<Server>, those: readonly Case[]): void {
  describe(title, () => {
    let live: LiveWorlds;
    let runner: Runner;
    before(async () => {
      const files = { schema: join(corpusDirectory, 'schema.sql'), twin: join(corpusDirectory, 'schema-twin.sql') };
      live = await startWorlds(await start(), { policy, ...files });
      runner = new Runner(live.worlds);
      await runner.readSecrets(policy);
    });
    after(() => live.stop());

    for (const each of those) {
      it(`${each.id}: ${each.title}`, async () => {
        const { verdict, why } = await runner.run(each);
        assert.ok(verdict === 'PASS' || verdict === 'RESIDUAL', `${verdict} ${why}`);
      });
    }
  });
}

describe('the corpus', () => {
  it('has every case under its own name', () => assert.equal(new Set(cases.map(({ id }) => id)).size, cases.length));
  it('has a line about every file, and no file too long to read', () => {
    const readme = readFileSync(join(corpusDirectory, 'README.md'), 'utf8');
    for (const file of corpusFiles()) {
      const name = relative(corpusDirectory, file);
      assert.ok(readme.includes(`| \`${name}\` | `), name);
      if (name.startsWith('own/')) assert.ok(readCases(file).length <= 60, name);
    }
  });
  it('says why a case is not for the embedded server', () => {
    for (const each of older) assert.ok((each.why ?? '') !== '', each.id);
  });
  it('shows the runner what a leak and an oracle are', async (t) => {
    // Behind a gateway that protects something else these must fail: a runner that finds nothing proves nothing.
    const loaded = await startWorlds(await startEmbedded(), {
      policy: { protected: { 'public.clinics': ['city'] }, safeFunctions: [] },
      schema: join(corpusDirectory, 'schema.sql'),
      twin: join(corpusDirectory, 'schema-twin.sql'),
    });
    t.after(() => loaded.stop());
    const runner = new Runner(loaded.worlds);
    await runner.readSecrets(policy);
    for (const id of ['direct-column', 'own-limit', 'own-sha']) {
      const found = await runner.run(cases.find((each) => each.id === id) ?? assert.fail(id));
      assert.equal(found.verdict, 'FAIL', id);
    }
  });
});

corpus(
  'the bypass corpus through the gateway',
  startEmbedded,
  cases.filter((each) => isFor(each, embeddedVersionNum)),
);

const debian = debianPostgres();
if (debian !== null && older.length > 0) corpus('what only an older PostgreSQL does', () => startDebian(debian), older);
