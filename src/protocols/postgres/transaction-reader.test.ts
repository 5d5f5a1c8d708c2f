// The reading of a transaction's catalogue between two messages of the client: what is sent, that nothing of it stays on the
// target, and that only the expected answers are taken.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { SallyportError } from '../../core/error.ts';
import { CATALOGUE_QUERIES } from '../../sql/catalogue-queries.ts';
import { Framer } from '../../wire/framer.ts';
import { fieldsMessage, message, parameterStatus, parseClientMessage, readyForQuery } from './messages.ts';
import { TransactionReader, type TransactionRows } from './transaction-reader.ts';
import { type ScannerSink, UpstreamScanner } from './upstream-scanner.ts';

const queries = Object.keys(CATALOGUE_QUERIES);
const row = (...values: readonly string[]): Uint8Array =>
  message('D', (body) => {
    body.int16(values.length);
    for (const value of values) body.int32(Buffer.byteLength(value)).bytes(Buffer.from(value));
  });
const complete = message('C', (body) => body.cString('SELECT 1'));
const error = (severity: string, state: string): Uint8Array =>
  fieldsMessage('E', [
    ['S', severity],
    ['V', severity],
    ['C', state],
    ['M', 'no'],
  ]);
const closed = [message('3'), message('3')];
const answer = (...rows: readonly Uint8Array[]): Uint8Array[] => [message('1'), message('2'), ...rows, complete, ...closed];

class Target {
  readonly over = new AbortController();
  readonly sent: Buffer[] = [];
  readonly fatal: number[] = [];
  /** What reached the session instead. */
  readonly leaked: string[] = [];
  readonly reader: TransactionReader;
  readonly #scanner: UpstreamScanner;

  constructor() {
    const session: ScannerSink = {
      rowStarts: () => void this.leaked.push('row'),
      rowBytes: () => undefined,
      message: (type) => void this.leaked.push(String.fromCharCode(type)),
    };
    this.#scanner = new UpstreamScanner(session, 1 << 20);
    this.reader = new TransactionReader({
      send: (bytes) => void this.sent.push(Buffer.from(bytes)),
      divert: (sink) => this.#scanner.divert(sink ?? session),
      onFatal: (bytes) => void this.fatal.push(bytes.length),
      newName: () => 'sallyport_x',
      over: this.over.signal,
    });
  }

  answer(bytes: Uint8Array, chunkBytes = bytes.length): void {
    for (let at = 0; at < bytes.length; at += chunkBytes) this.#scanner.push(bytes.subarray(at, at + chunkBytes));
  }

  /** Texts of the statements that were sent, in order. */
  texts(): string[] {
    return this.messages().flatMap((each) => (each.kind === 'parse' ? [each.text] : []));
  }

  messages(): ReturnType<typeof parseClientMessage>[] {
    return new Framer(1 << 20).push(Buffer.concat(this.sent)).map((frame) => parseClientMessage(frame));
  }
}

/** Everything a target says that does what it is asked. */
function whole(target: Target, isolation: string): Uint8Array {
  const texts = target.texts();
  const isolationAt = texts.findIndex((text) => text.includes('transaction_isolation'));
  const undoAt = texts.findIndex((text) => text.startsWith('ROLLBACK TO'));
  const answers = texts.map((_, index) => {
    if (index === isolationAt) return answer(row(isolation));
    return index > isolationAt && index < undoAt ? answer(row(queries[index - isolationAt - 1] ?? '', 'a'), row('b', '')) : answer();
  });
  return Buffer.concat([
    ...answers.slice(0, undoAt).flat(),
    parameterStatus('search_path', 'pg_catalog, pg_temp'),
    fieldsMessage('N', [['C', '00000']]),
    readyForQuery('T'),
    ...closed,
    ...answers.slice(undoAt).flat(),
    parameterStatus('search_path', 'public'),
    readyForQuery('T'),
  ]);
}

const refused = (read: Promise<TransactionRows>): Promise<void> =>
  assert.rejects(read, (fault) => fault instanceof SallyportError && fault.code === 'SP_CATALOGUE_UNAVAILABLE');

describe('TransactionReader', () => {
  it('asks inside a savepoint with settings of its own, and takes all of it back', async () => {
    const target = new Target();
    const read = target.reader.read();
    const texts = target.texts();
    assert.equal(texts[0], 'SAVEPOINT sallyport_x');
    const firstQuery = texts.findIndex((text) => text.startsWith('SELECT'));
    for (const text of texts.slice(1, firstQuery)) assert.match(text, /^SET LOCAL /);
    assert.ok(texts.indexOf('SET LOCAL search_path = pg_catalog, pg_temp') < firstQuery);
    assert.deepEqual(texts.slice(firstQuery + 1, -2), Object.values(CATALOGUE_QUERIES));
    assert.deepEqual(texts.slice(-2), ['ROLLBACK TO SAVEPOINT sallyport_x', 'RELEASE SAVEPOINT sallyport_x']);
    target.answer(whole(target, 'read committed'));
    await read;
  });

  it('never touches the unnamed statement and portal, and closes every name it gives', () => {
    const target = new Target();
    void target.reader.read();
    const open = new Set<string>();
    for (const each of target.messages()) {
      if (each.kind === 'parse') {
        assert.ok(each.name !== '' && !open.has(`statement ${each.name}`));
        open.add(`statement ${each.name}`);
      }
      if (each.kind === 'bind') {
        assert.notEqual(each.portal, '');
        open.add(`portal ${each.portal}`);
      }
      if (each.kind === 'close') open.delete(`${each.what} ${each.name}`);
      assert.notEqual(each.kind, 'query');
    }
    assert.deepEqual([...open], []);
    const syncs = target.messages().flatMap((each, index) => (each.kind === 'sync' ? [index] : []));
    assert.equal(syncs.length, 2);
    assert.equal(syncs[1], target.messages().length - 1);
  });

  it('gives the rows of every query, wherever the bytes are cut, and nothing to the session', async () => {
    const length = 4096;
    for (const chunkBytes of [1, 2, 3, 5, 7, 64, 1000, length]) {
      const target = new Target();
      const read = target.reader.read();
      target.answer(whole(target, 'read committed'), chunkBytes);
      const { rows, readsCommitted } = await read;
      assert.ok(readsCommitted);
      for (const name of queries) {
        assert.deepEqual(rows[name as keyof typeof rows], [
          [name, 'a'],
          ['b', ''],
        ]);
      }
      assert.deepEqual(target.leaked, []);
      assert.ok(!target.reader.isReading);
      target.answer(readyForQuery('I'));
      assert.deepEqual(target.leaked, ['Z']);
    }
  });

  it('tells a snapshot of the whole transaction from one of each statement', async () => {
    for (const [isolation, expected] of [
      ['read uncommitted', true],
      ['read committed', true],
      ['repeatable read', false],
      ['serializable', false],
    ] as const) {
      const target = new Target();
      const read = target.reader.read();
      target.answer(whole(target, isolation));
      assert.equal((await read).readsCommitted, expected);
    }
  });

  it('refuses what the target does not answer in full, and waits for the end of it', async () => {
    const failures = [
      [error('ERROR', '57014'), readyForQuery('E'), ...answer(), ...answer(), readyForQuery('T')],
      [...answer(), error('ERROR', '42501'), readyForQuery('E'), ...closed, ...answer(), ...answer(), readyForQuery('T')],
      [error('ERROR', '57014'), readyForQuery('E'), ...closed, error('ERROR', '57014'), readyForQuery('E')],
      [...answer(), readyForQuery('T'), ...closed, ...answer(), ...answer(), readyForQuery('T')],
    ];
    for (const failure of failures) {
      const target = new Target();
      const read = target.reader.read();
      target.answer(Buffer.concat(failure.slice(0, -1)));
      assert.ok(target.reader.isReading);
      target.answer(Buffer.concat(failure.slice(-1)));
      await refused(read);
      assert.deepEqual(target.leaked, []);
    }
    const aborted = new Target();
    const read = aborted.reader.read();
    const good = Buffer.from(whole(aborted, 'read committed'));
    good[good.length - 1] = 'E'.charCodeAt(0);
    aborted.answer(good);
    await refused(read);
  });

  it('leaves the end of the connection to the session', async () => {
    const target = new Target();
    const read = target.reader.read();
    target.answer(error('FATAL', '57P01'));
    assert.equal(target.fatal.length, 1);
    target.over.abort();
    await refused(read);
    await refused(target.reader.read());
    assert.equal(target.sent.length, 1);
  });

  it('takes nothing but answers to what it sent', () => {
    for (const stranger of [message('G'), message('T'), message('I'), message('R', (body) => body.int32(0)), message('d')]) {
      const target = new Target();
      void target.reader.read().catch(() => undefined);
      assert.throws(() => target.answer(stranger), { code: 'SP_UPSTREAM_PROTOCOL' });
    }
  });
});
