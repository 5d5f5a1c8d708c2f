// The bypass corpus through the real gateway: no leak, no distinguishable pair, no lost usability. On the embedded
// PostgreSQL 18; what only an older server does is run on Debian's, where that is installed (`why` of the case says why).

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { type Case, corpusDirectory, corpusFiles, isFor, readCases, readPolicy } from '../bypass/cases.ts';
import { Runner, targetOf } from '../bypass/run.ts';
import { type LiveWorlds, type Server, debianPostgres, startDebian, startEmbedded, startWorlds } from '../bypass/worlds.ts';

const embeddedVersionNum = 180_000;
const policy = readPolicy();
/** Cases that were not refused. */
const answered = new Set<string>();
const cases = corpusFiles().flatMap((file) => readCases(file));
const older = cases.filter((each) => !isFor(each, embeddedVersionNum));

/** The cases that the project began with, and the part of such cases that the experiment behind the design answered masked. */
const given = join(corpusDirectory, 'cases.json');
const leastAnswered = 212 / 274;

function corpus(title: string, start: () => Promise<Server>, those: readonly Case[]): void {
  describe(title, () => {
    let live: LiveWorlds;
    let runner: Runner;
    before(async () => {
      const files = { schema: join(corpusDirectory, 'schema.sql'), twin: join(corpusDirectory, 'schema-twin.sql') };
      live = await startWorlds(await start(), { policy, ...files, targets: [...new Set(those.map(targetOf))] });
      runner = new Runner(live.worlds);
      await runner.readSecrets(policy);
    });
    after(() => live.stop());

    for (const each of those) {
      it(`${each.id}: ${each.title}`, async () => {
        const { verdict, why, outcome } = await runner.run(each);
        if (outcome === 'answered') answered.add(each.id);
        assert.ok(verdict === 'PASS' || verdict === 'RESIDUAL', `${verdict} ${why}`);
      });
    }
  });
}

describe('the corpus', () => {
  it('has every case under its own name', () => assert.equal(new Set(cases.map(({ id }) => id)).size, cases.length));
  it('is as large as it should be, without what was given', () => {
    const own = corpusFiles().filter((file) => relative(corpusDirectory, file).startsWith('own/'));
    assert.ok(own.flatMap((file) => readCases(file)).length >= 500);
    assert.ok(readCases(given).length >= 256);
  });
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
});

const newest = cases.filter((each) => isFor(each, embeddedVersionNum));
const asApplication = (each: Case): boolean => targetOf(each) === 'app';
corpus('the bypass corpus through the gateway', startEmbedded, newest.filter(asApplication));
corpus(
  'the bypass corpus as a superuser, and under masks that keep something',
  startEmbedded,
  newest.filter((each) => !asApplication(each)),
);

describe('of what the project began with', () => {
  it('at least as large a part is answered masked as in the experiment', () => {
    const wanted = readCases(given).filter(({ expect, hard }) => expect === 'masked' && hard === undefined);
    const masked = wanted.filter(({ id }) => answered.has(id));
    assert.ok(masked.length >= wanted.length * leastAnswered, `${masked.length} of ${wanted.length}`);
  });
});

const debian = debianPostgres();
if (debian !== null && older.length > 0) corpus('what only an older PostgreSQL does', () => startDebian(debian), older);
