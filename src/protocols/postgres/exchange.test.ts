import assert from 'node:assert/strict';
import test from 'node:test';
import { Exchange, type Expectation } from './exchange.ts';
import { UPSTREAM } from './messages.ts';

type Entry = Expectation<string>;
const parse = (of: string): Entry => ({ kind: 'parse', of });
const bind = (of: string): Entry => ({ kind: 'bind', of });
const execute = (of: string): Entry => ({ kind: 'execute', of, phase: 'running' });
const sync = (): Entry => ({ kind: 'sync', phase: 'running' });
const names = (entries: readonly Entry[]): string[] => entries.map((entry) => ('of' in entry ? entry.of : entry.kind));

function sent(...entries: Entry[]): Exchange<string> {
  const exchange = new Exchange<string>();
  for (const entry of entries) exchange.sent(entry);
  return exchange;
}

test('answers belong to messages in the order they were sent', () => {
  const exchange = sent(parse('p'), bind('b'), execute('e'), sync());
  assert.equal(exchange.isUnsynced, false);
  assert.equal(exchange.answered(UPSTREAM.parseComplete).isLast, true);
  assert.equal(exchange.answered(UPSTREAM.bindComplete).isLast, true);
  assert.equal(exchange.takesRows(UPSTREAM.dataRow), true);
  assert.equal(exchange.answered(UPSTREAM.commandComplete).isLast, true);
  assert.equal(exchange.answered(UPSTREAM.readyForQuery).isLast, true);
  assert.equal(exchange.open, 0);
});

test('an error skips to the next Sync and not beyond', () => {
  const exchange = sent(parse('p1'), bind('b1'), execute('e1'), sync(), parse('p2'), sync());
  const { skipped, to } = exchange.answered(UPSTREAM.errorResponse);
  assert.deepEqual(names(skipped), ['p1', 'b1', 'e1']);
  assert.equal(to, skipped[0]);
  assert.equal(exchange.isSkipping, false);
  assert.equal(exchange.answered(UPSTREAM.readyForQuery).to?.kind, 'sync');
  assert.equal(exchange.answered(UPSTREAM.parseComplete).to?.kind, 'parse');
});

test('after an error without a Sync on its way, client messages are dropped until one comes', () => {
  const exchange = sent(parse('p'));
  exchange.answered(UPSTREAM.errorResponse);
  assert.equal(exchange.isSkipping, true);
  exchange.sent(sync());
  assert.equal(exchange.isSkipping, false);
});

test('a refusal in extended messages skips like an error of the target', () => {
  const exchange = sent(parse('p'), { kind: 'refusal', protocol: 'extended', error: new Uint8Array(), phase: 'running' });
  assert.equal(exchange.isSkipping, true);
  exchange.answered(UPSTREAM.parseComplete);
  assert.deepEqual(names(exchange.answered(UPSTREAM.errorResponse).skipped), ['refusal']);
});

test('a simple query ends with ReadyForQuery only, also after an error', () => {
  const exchange = sent({ kind: 'query', of: 'q', phase: 'running' });
  exchange.answered(UPSTREAM.rowDescription);
  assert.equal(exchange.takesRows(UPSTREAM.dataRow), true);
  assert.equal(exchange.answered(UPSTREAM.errorResponse).isLast, false);
  assert.equal(exchange.takesRows(UPSTREAM.dataRow), false);
  assert.throws(() => exchange.answered(UPSTREAM.commandComplete), { code: 'SP_UPSTREAM_PROTOCOL' });
  assert.equal(exchange.answered(UPSTREAM.readyForQuery).isLast, true);
});

test('rows are possible only where rows were asked for', () => {
  assert.equal(sent().takesRows(UPSTREAM.dataRow), false);
  assert.equal(sent(parse('p')).takesRows(UPSTREAM.dataRow), false);
  assert.equal(sent({ kind: 'query', of: 'q', phase: 'running' }).takesRows(UPSTREAM.dataRow), false);
  assert.equal(sent(execute('e')).takesRows(UPSTREAM.copyData), false);
});

test('COPY data flows only between its response and its end', () => {
  const exchange = sent({ kind: 'query', of: 'q', phase: 'running' });
  exchange.answered(UPSTREAM.copyOutResponse);
  assert.equal(exchange.takesRows(UPSTREAM.copyData), true);
  exchange.answered(UPSTREAM.copyDone);
  assert.equal(exchange.takesRows(UPSTREAM.copyData), false);
});

test('every message that does not answer the oldest expectation is a fault', () => {
  const all = Object.values(UPSTREAM).filter(
    (type) =>
      ![UPSTREAM.noticeResponse, UPSTREAM.parameterStatus, UPSTREAM.notificationResponse, UPSTREAM.errorResponse].includes(
        type as typeof UPSTREAM.noticeResponse,
      ),
  );
  for (const type of all) {
    if (type !== UPSTREAM.parseComplete) assert.throws(() => sent(parse('p')).answered(type), { code: 'SP_UPSTREAM_PROTOCOL' });
    if (type !== UPSTREAM.readyForQuery) assert.throws(() => sent(sync()).answered(type), { code: 'SP_UPSTREAM_PROTOCOL' });
    assert.throws(() => sent().answered(type), { code: 'SP_UPSTREAM_PROTOCOL' });
  }
  assert.throws(() => sent({ kind: 'query', of: 'q', phase: 'running' }).answered(UPSTREAM.copyBothResponse), {
    code: 'SP_UPSTREAM_PROTOCOL',
  });
});

test('an error while nothing is open belongs to nobody', () => {
  assert.equal(sent().answered(UPSTREAM.errorResponse).to, null);
});

test('long pipelines do not keep what is answered', () => {
  const exchange = new Exchange<string>();
  for (let n = 0; n < 5000; n += 1) exchange.sent(parse(`p${n}`));
  for (let n = 0; n < 5000; n += 1) assert.equal(names([exchange.answered(UPSTREAM.parseComplete).to ?? sync()])[0], `p${n}`);
  assert.equal(exchange.open, 0);
});
