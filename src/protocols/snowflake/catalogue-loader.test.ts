import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, mock, test } from 'node:test';
import { SallyportError } from '../../core/error.ts';
import type { SnowflakeCatalogue } from '../../sql/snowflake/types.ts';
import { type CatalogueLimits, CatalogueLoader } from './catalogue-loader.ts';
import { testCatalogue } from './testing.ts';

const limits: CatalogueLimits = {
  catalogueRefreshMs: 60_000,
  catalogueMaxStaleMs: 120_000,
  catalogueReadTimeoutMs: 60_000,
  catalogueMissMs: 5_000,
};
let nowMs = 0;
let reads: PromiseWithResolvers<SnowflakeCatalogue>[] = [];
let settled: string[] = [];
let settleFault: Error | null = null;
let loader: CatalogueLoader;

// Hooks outside of a suite would run for the tests of all files.
describe('the catalogue of an account', () => {
  beforeEach(() => {
    mock.timers.enable({ apis: ['setTimeout'] });
    nowMs = 1000;
    reads = [];
    settled = [];
    settleFault = null;
    const nothing = (): void => undefined;
    loader = new CatalogueLoader({
      read: () => {
        const read = Promise.withResolvers<SnowflakeCatalogue>();
        reads.push(read);
        return read.promise;
      },
      settle({ version }) {
        if (settleFault !== null) throw settleFault;
        settled.push(version);
      },
      clock: { nowMs: () => nowMs, monotonicMs: () => nowMs },
      logger: { info: nothing, warn: nothing, error: nothing },
      target: 'warehouse',
      limits,
    });
  });

  afterEach(() => {
    loader.close();
    mock.timers.reset();
  });

  const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

  async function started(version = 'c1'): Promise<void> {
    const start = loader.start();
    reads[0]!.resolve(testCatalogue(version));
    await start;
  }

  test('nothing is handed out before the first read, nor after one that failed', async () => {
    assert.equal(loader.state, 'loading');
    const start = loader.start();
    assert.equal(loader.current(), null);
    reads[0]!.reject(new SallyportError('SP_UPSTREAM_UNREACHABLE', 'no'));
    await start;
    assert.equal(loader.state, 'unavailable');
    const ready = loader.ready();
    reads[1]!.reject(new SallyportError('SP_UPSTREAM_UNREACHABLE', 'no'));
    await assert.rejects(ready, { code: 'SP_CATALOGUE_UNAVAILABLE' });
  });

  test('a read that failed is tried again by itself', async () => {
    const start = loader.start();
    reads[0]!.reject(new Error('no'));
    await start;
    mock.timers.tick(5_000);
    reads[1]!.resolve(testCatalogue('c1'));
    await turn();
    assert.equal(loader.state, 'ready');
  });

  test('while it is used it is read again; while it is not, the warehouse may sleep', async () => {
    await started();
    nowMs += 10;
    await loader.ready();
    nowMs += 60_000;
    mock.timers.tick(60_000);
    assert.equal(reads.length, 2);
    reads[1]!.resolve(testCatalogue('c1'));
    await turn();
    nowMs += 60_000;
    mock.timers.tick(60_000);
    await turn();
    assert.equal(reads.length, 2, 'nobody used it');
    assert.equal(loader.state, 'ready');
  });

  test('one that has grown old is not used: the statement waits for another', async () => {
    await started();
    nowMs += 120_001;
    assert.equal(loader.current(), null);
    const ready = loader.ready();
    reads[1]!.resolve(testCatalogue('c2'));
    assert.equal((await ready).version, 'c2');
  });

  test('the same catalogue stays the same object, and is settled once', async () => {
    await started();
    const first = loader.current();
    nowMs += 1;
    const refresh = loader.refresh();
    reads[1]!.resolve(testCatalogue('c1'));
    await refresh;
    assert.equal(loader.current(), first);
    assert.deepEqual(settled, ['c1']);
  });

  test('after DDL the next statement waits for a read that began after it', async () => {
    await started();
    nowMs += 10;
    const early = loader.refresh();
    nowMs += 10;
    loader.outdate();
    assert.equal(loader.current(), null);
    const ready = loader.ready();
    reads[1]!.resolve(testCatalogue('before'));
    await early;
    assert.equal(loader.current(), null, 'what began before the DDL does not count');
    await turn();
    reads[2]!.resolve(testCatalogue('after'));
    assert.equal((await ready).version, 'after');
  });

  test('DDL in the very millisecond of a read outdates it', async () => {
    const start = loader.start();
    loader.outdate();
    reads[0]!.resolve(testCatalogue('c1'));
    await start;
    assert.equal(loader.current(), null);
  });

  test('those who ask at the same time share one read', async () => {
    await started();
    nowMs += 1;
    const both = Promise.all([loader.refresh(), loader.refresh()]);
    assert.equal(reads.length, 2);
    reads[1]!.resolve(testCatalogue('c2'));
    await both;
  });

  test('unknown names make it read again, but not again and again', async () => {
    await started();
    assert.equal(await loader.missed(), false);
    nowMs += 5_000;
    const missed = loader.missed();
    reads[1]!.resolve(testCatalogue('c2'));
    assert.equal(await missed, true);
    assert.equal(await loader.missed(), false);
    assert.equal(reads.length, 2);
  });

  test('a catalogue whose protection cannot be found is not handed out', async () => {
    await started();
    settleFault = new Error('no');
    nowMs += 1;
    const refresh = loader.refresh();
    reads[1]!.resolve(testCatalogue('c2'));
    await assert.rejects(refresh, { code: 'SP_CATALOGUE_UNAVAILABLE' });
    assert.equal(loader.current()?.version, 'c1');
    assert.equal(loader.state, 'unavailable');
    nowMs += 120_000;
    assert.equal(loader.current(), null);
  });

  test('a closed loader reads nothing', async () => {
    await started();
    loader.close();
    nowMs += 1;
    await assert.rejects(loader.refresh(), { code: 'SP_CATALOGUE_UNAVAILABLE' });
    assert.equal(reads.length, 1);
  });
});
