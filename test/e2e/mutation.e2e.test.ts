// Does the suite notice? Each mutant breaks one guard in a copy of the tree; the checks named with it must go red.
// `test/mutation/mutants.ts` has the list; the test command takes every fourth. A mutant whose place in the source is gone fails here.

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../../src/demo/embedded-postgres.ts';
import { Tree, mutated } from '../mutation/harness.ts';
import { MUTANTS } from '../mutation/mutants.ts';

// Two at a time: the machines have two cores.
const workers = 2;
let server: EmbeddedPostgres;
const trees: Tree[] = [];
const idle: Tree[] = [];
const files = new Map<string, string[]>();
/** WHY not all: they take two cores for minutes. `npm run test:mutation` takes all. */
const mutants = MUTANTS.filter((_, index) => process.env['SALLYPORT_MUTANTS'] === 'all' || index % 8 === 0);
for (const { noticedBy } of mutants) files.set(noticedBy.file, [...(files.get(noticedBy.file) ?? []), noticedBy.title]);

async function withTree<T>(use: (tree: Tree) => Promise<T>): Promise<T> {
  const tree = idle.pop() ?? assert.fail('more tests at a time than trees');
  try {
    return await use(tree);
  } finally {
    idle.push(tree);
  }
}

before(async () => {
  server = await startEmbeddedPostgres();
  const { host, port, user, password, dataDirectory } = server;
  const environment = { SALLYPORT_CHECK_SERVER: JSON.stringify({ host, port, user, password, dataDirectory }) };
  for (let made = 0; made < workers; made += 1) trees.push(new Tree(environment));
  idle.push(...trees);
});
after(async () => {
  for (const tree of trees) tree.remove();
  await server?.stop();
});

const last = (output: string): string => output.slice(-3000);

describe('a change of the source', () => {
  it('is only made where the place is found', () => {
    const change = { file: 'x.ts', after: 'b', from: 'a', to: 'z' };
    assert.equal(mutated('a b a a', change), 'a b z a');
    assert.throws(() => mutated('a b', change), /x\.ts has no "a" behind "b"/);
    assert.throws(() => mutated('a a', change), /x\.ts has no "b"/);
  });
});

describe('unbroken', { concurrency: workers }, () => {
  for (const [file, titles] of files) {
    it(`is green: ${file}`, async () => {
      const outcomes = await withTree((tree) => tree.runAll(file, titles));
      outcomes.forEach(({ verdict, output }, index) => assert.equal(verdict, 'green', `${titles[index]}\n${last(output)}`));
    });
  }
});

describe('broken', { concurrency: workers }, () => {
  for (const mutant of mutants) {
    it(`goes red: ${mutant.breaks} (${mutant.changes[0]?.file})`, async () => {
      const { verdict, output } = await withTree((tree) => tree.runWith(mutant));
      // Absent is no proof: then the mutant does not even load.
      assert.equal(verdict, 'red', `${mutant.noticedBy.file}: ${mutant.noticedBy.title}\n${last(output)}`);
    });
  }
});
