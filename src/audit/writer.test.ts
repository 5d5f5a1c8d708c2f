import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MemoryDisk } from '../../test/support/memory-disk.ts';
import type { ProducerEnd } from './connection.ts';
import { encodeDraft } from './entry.ts';
import { createLogKey, createSealingIdentity, parseSigningKey } from './keys.ts';
import { openWriter } from './open-writer.ts';
import { RecordEncoder, RECORDS } from './records.ts';

const origin = 'audit.example.org/writer';
const { recipient } = await createSealingIdentity();

/** The end of a producer that has sent `bytes` bytes of records. */
class FullEnd implements ProducerEnd {
  /** Entries that are durable, after each commit. */
  readonly durable: number[] = [];
  readonly #record: Buffer;
  #left: number;
  #at = 0;

  constructor(bytes: number) {
    const encoder = new RecordEncoder();
    const { members, type } = encodeDraft(
      {
        type: 'alarm',
        resource: { target: 'clinic', objects: Array.from({ length: 200 }, () => 'x'.repeat(100)) },
      },
      0,
    );
    encoder.begin(RECORDS.append);
    encoder.number(0);
    encoder.text(members);
    encoder.type(type);
    encoder.text('');
    encoder.payloads([]);
    encoder.end();
    this.#record = Buffer.from(encoder.bytes());
    this.#left = bytes - (bytes % this.#record.length);
  }

  get available(): number {
    return this.#left;
  }

  read(target: Buffer, from: number): number {
    let end = from;
    while (end < target.length && this.#left > 0) {
      const copied = this.#record.copy(target, end, this.#at, Math.min(this.#record.length, this.#at + this.#left));
      end += copied;
      this.#left -= copied;
      this.#at = (this.#at + copied) % this.#record.length;
    }
    return end - from;
  }

  recorded(tickets: number): void {
    this.durable.push(tickets);
  }

  failed(): void {
    assert.fail('no fault');
  }
}

test('a connection that sends without end keeps no other waiting for more than a commit', async () => {
  const disk = new MemoryDisk();
  const options = {
    dir: '/audit',
    replica: 'gw-1',
    recipients: [recipient],
    maxPayloadBytes: 1024,
    readyKeys: 8,
    segmentBytes: 64 * 1024 * 1024,
    checkpointMs: 60_000,
    heartbeatMs: 60_000,
  };
  let bytes = 0;
  const writer = await openWriter(
    options,
    { current: parseSigningKey(createLogKey(origin).signingKey, origin), retiring: null },
    {
      disk,
      clock: { nowMs: () => 0, monotonicMs: () => 0 },
      random: { bytes: (length) => Buffer.alloc(length, (bytes += 1)) },
      logger: { info: () => undefined, warn: () => undefined, error: () => undefined },
      onFault: (fault) => assert.fail(fault),
    },
  );
  const ends = Array.from({ length: 3 }, () => new FullEnd(8 * 1024 * 1024));
  for (const end of ends) writer.connect(end);
  await writer.work();
  for (const [at, { durable }] of ends.entries()) {
    assert.ok((durable.at(-1) ?? 0) > 300, 'all of it in the end');
    assert.ok((durable[at] ?? 0) > 0, `connection ${at} has its turn with commit ${at}: ${durable.slice(0, 4).join(' ')}`);
    const waits = durable.map((tickets, commit) => tickets === (durable[commit - 1] ?? 0));
    assert.ok(!waits.join().includes('true,true,true'), 'never more than one commit for each of the others');
  }
  await writer.close();
});
