import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RecordDecoder, RecordEncoder, RECORDS } from './records.ts';
import { createRing, RingReceiver, RingSender, WriterState } from './ring.ts';

const SIZE = 256;

/** A ring whose positions have already counted to `start`. */
function ringAt(start: number): SharedArrayBuffer {
  const memory = createRing(SIZE);
  const control = new Int32Array(memory, 0, 2);
  control.fill(start | 0);
  return memory;
}

for (const start of [0, 250, 2 ** 31 - 7, 2 ** 32 - 7]) {
  test(`what is sent arrives in order, around the end of the ring and of its counters (from ${start})`, () => {
    const memory = ringAt(start);
    const [sender, receiver] = [new RingSender(memory), new RingReceiver(memory)];
    const bytes = Buffer.from(Array.from({ length: 2000 }, (_, at) => at % 251));
    const got: Buffer[] = [];
    for (let sent = 0; sent < bytes.length;) {
      sent += sender.send(bytes.subarray(sent, sent + 100));
      const target = Buffer.alloc(77);
      got.push(target.subarray(7, 7 + receiver.read(target, 7)));
    }
    for (let target = Buffer.alloc(99); receiver.available > 0; target = Buffer.alloc(99))
      got.push(target.subarray(0, receiver.read(target, 0)));
    assert.ok(Buffer.concat(got).equals(bytes));
  });
}

test('a full ring takes what fits, and the receiver learns once that more is to come', () => {
  const memory = ringAt(0);
  const [sender, receiver] = [new RingSender(memory), new RingReceiver(memory)];
  assert.equal(receiver.takeWish(), false);
  assert.equal(sender.send(Buffer.alloc(200)), 200);
  assert.equal(sender.send(Buffer.alloc(100)), 56);
  assert.deepEqual([sender.fill, sender.send(Buffer.alloc(1))], [1, 0]);
  assert.equal(receiver.read(Buffer.alloc(SIZE), 0), 256);
  assert.deepEqual([receiver.takeWish(), receiver.takeWish()], [true, false]);
  assert.deepEqual([sender.fill, sender.send(Buffer.alloc(1))], [0, 1]);
});

test('the count of durable entries goes on beyond 2^32', () => {
  const memory = ringAt(0);
  const [sender, receiver] = [new RingSender(memory), new RingReceiver(memory)];
  for (const count of [0, 1, 2 ** 31 - 1, 2 ** 31 + 5, 2 ** 32 - 1, 2 ** 32, 2 ** 32 + 17, 3 * 2 ** 31, 2 ** 33 + 1]) {
    receiver.setDurable(count);
    assert.equal(sender.durable, count);
  }
});

test('a wait is over at once when the doorbell was rung since it was looked at', () => {
  const state = new WriterState();
  const { rings } = state;
  state.ring();
  const beganMs = performance.now();
  state.wait(rings, 10_000);
  assert.ok(performance.now() - beganMs < 5000);
  assert.equal(state.waitAsync(rings, 10_000), null);
});

test('records of any size are read back from pieces of any size, and one that was put back comes again', () => {
  const texts = ['', 'plain', 'Straße ☃', 'x'.repeat(20_000), 'y'.repeat(3)];
  const out = new RecordEncoder();
  for (const [at, text] of texts.entries()) {
    out.begin(RECORDS.post);
    out.number(at / 8);
    out.text(text);
    out.type('alarm');
    out.payloads([
      { kind: 'result', bytes: Buffer.from(text) },
      { kind: 'statement', bytes: new Uint8Array() },
    ]);
    out.end();
  }
  const all = Buffer.from(out.bytes());
  for (const piece of [1, 7, 1000, all.length]) {
    let rest = all;
    const records = new RecordDecoder({
      get available() {
        return Math.min(piece, rest.length);
      },
      read(target, at) {
        const copied = rest.copy(target, at, 0, Math.min(piece, rest.length));
        rest = rest.subarray(copied);
        return copied;
      },
    });
    let isAgain = false;
    for (let at = 0; at < texts.length;) {
      const code = records.next();
      if (code === null) {
        assert.ok(rest.length > 0, 'the stream ends inside of a record');
        continue;
      }
      assert.equal(code, RECORDS.post);
      assert.equal(records.number(), at / 8);
      if (at === 3 && !isAgain) {
        isAgain = true;
        records.putBack();
        continue;
      }
      assert.equal(records.text(), texts[at]);
      assert.equal(records.type(), 'alarm');
      assert.deepEqual(
        records.payloads().map(({ kind, bytes }) => [kind, Buffer.from(bytes).toString()]),
        [
          ['result', texts[at]],
          ['statement', ''],
        ],
      );
      at += 1;
    }
    assert.equal(records.next(), null);
  }
});

test('an encoder goes on while part of what it holds was taken', () => {
  const out = new RecordEncoder();
  const taken: Buffer[] = [];
  for (let at = 0; at < 200; at += 1) {
    out.begin(RECORDS.forget);
    out.text(`session ${at}`.repeat(10));
    out.end();
    const bytes = out.bytes();
    const count = at % 3 === 0 ? Math.floor(bytes.length / 2) : 0;
    taken.push(Buffer.from(bytes.subarray(0, count)));
    out.taken(count);
  }
  taken.push(Buffer.from(out.bytes()));
  out.taken(out.length);
  assert.equal(out.length, 0);
  let rest = Buffer.concat(taken);
  const records = new RecordDecoder({
    get available() {
      return rest.length;
    },
    read(target, at) {
      const copied = rest.copy(target, at);
      rest = rest.subarray(copied);
      return copied;
    },
  });
  for (let at = 0; at < 200; at += 1) {
    assert.equal(records.next(), RECORDS.forget);
    assert.equal(records.text(), `session ${at}`.repeat(10));
  }
});
