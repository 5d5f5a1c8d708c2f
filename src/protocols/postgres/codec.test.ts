// Golden bytes were captured between real clients and a real server (test/support/pg-golden.json).

import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { SallyportError } from '../../core/error.ts';
import { Framer } from '../../wire/framer.ts';
import golden from '../../../test/support/pg-golden.json' with { type: 'json' };
import {
  type ClientMessage,
  message,
  parseClientMessage,
  parseFields,
  parseMessage,
  parseParameterStatus,
  parseRowDescription,
  parseTextRow,
  queryMessage,
  readyForQuery,
} from './messages.ts';
import { UpstreamScanner } from './upstream-scanner.ts';
import { firstPacketLength, parseFirstPacket, parseOptions, readStartup, sslRequest, startupMessage } from './startup.ts';

const psql = golden['psql 15 to PostgreSQL 15'];
const nodePg = golden['node-postgres 8.23 to PostgreSQL 15'];
const bytes = (hex: string): Buffer => Buffer.from(hex, 'hex');

/** Cuts the start-up packets off and parses the rest. */
function clientSide(hex: string): { packets: Buffer[]; messages: ClientMessage[]; raw: Buffer[] } {
  let rest = bytes(hex);
  const packets: Buffer[] = [];
  while (rest[0] === 0) {
    const length = firstPacketLength(rest) ?? 0;
    packets.push(rest.subarray(0, length));
    rest = rest.subarray(length);
  }
  const frames = new Framer(1 << 20).push(rest);
  return { packets, messages: frames.map((frame) => parseClientMessage(frame)), raw: frames.map((frame) => Buffer.from(frame.bytes)) };
}

test('what psql sends is understood, and building it again gives the same bytes', () => {
  const { packets, messages, raw } = clientSide(psql.client);
  assert.deepEqual(
    messages.map(({ kind }) => kind),
    ['query', 'query', 'terminate'],
  );
  assert.ok(messages[0]?.kind === 'query');
  assert.deepEqual(raw[0], Buffer.from(queryMessage(messages[0].text)));
  assert.deepEqual(packets[0], Buffer.from(sslRequest()));
  const startup = parseFirstPacket(packets[1] ?? Buffer.alloc(0));
  assert.ok(startup.kind === 'startup');
  assert.deepEqual(Buffer.from(startupMessage(startup.parameters)), packets[1]);
});

test('what node-postgres sends is understood, and building it again gives the same bytes', () => {
  const { messages, raw } = clientSide(nodePg.client);
  assert.deepEqual(
    messages.map(({ kind }) => kind),
    ['parse', 'bind', 'describe', 'execute', 'sync', 'terminate'],
  );
  const [parse, bind] = messages;
  assert.ok(parse?.kind === 'parse' && bind?.kind === 'bind');
  assert.deepEqual(raw[0], Buffer.from(parseMessage(parse.name, parse.text, parse.parameterTypes)));
  assert.deepEqual(bind.parameterLengths, [1, 0]);
  assert.equal(Buffer.from(bind.parameterBytes).toString('hex'), '00020000000000020000000131ffffffff');
});

test('every truncation of every captured client message is malformed, never read beyond', () => {
  for (const { raw } of [clientSide(psql.client), clientSide(nodePg.client)]) {
    for (const whole of raw) {
      for (let length = 5; length < whole.length; length += 1) {
        const cut = whole.subarray(0, length);
        const frame = { type: cut[0] ?? 0, body: cut.subarray(5), bytes: cut };
        assert.throws(() => parseClientMessage(frame), SallyportError);
      }
    }
  }
});

test('what the server sends is understood at every split point', () => {
  const stream = bytes(psql.upstream).subarray(1);
  const whole = scan([stream]);
  assert.equal(whole.messages.join(''), 'RSSSSSSSSSSSSSKZTCZEZ');
  assert.deepEqual([whole.rows, whole.rowBytes], [1, 16]);
  for (let at = 1; at < stream.length; at += 1) {
    assert.deepEqual(scan([stream.subarray(0, at), stream.subarray(at)]), whole, `split at ${at}`);
  }
  assert.deepEqual(scan([...stream].map((byte) => Buffer.of(byte))), whole);
});

test('fields of captured server messages come out right', () => {
  const found = new Map<string, Buffer>();
  const stream = bytes(psql.upstream).subarray(1);
  for (const frame of new Framer(1 << 20).push(stream)) found.set(String.fromCharCode(frame.type), Buffer.from(frame.body));
  const body = (letter: string): Buffer => found.get(letter) ?? Buffer.alloc(0);
  assert.deepEqual(
    parseRowDescription(body('T')).map(({ name, tableOid }) => [name, tableOid]),
    [
      ['x', 0],
      ['y', 0],
    ],
  );
  assert.deepEqual(parseTextRow(body('D')), ['1', null]);
  assert.equal(parseFields(body('E')).get('C'), '22012');
  assert.deepEqual(parseParameterStatus(body('S')), { name: 'TimeZone', value: 'Etc/UTC' });
  assert.deepEqual(Buffer.from(readyForQuery('I')).subarray(5), body('Z'));
});

test('rows of any size pass as slices and are never collected', () => {
  const row = Buffer.alloc(1_000_005, 1);
  row.write('D');
  row.writeInt32BE(1_000_004, 1);
  let largest = 0;
  const scanner = new UpstreamScanner(
    { rowStarts: () => undefined, rowBytes: (slice) => (largest = Math.max(largest, slice.length)), message: () => undefined },
    1024,
  );
  for (let at = 0; at < row.length; at += 1000) scanner.push(row.subarray(at, at + 1000));
  assert.equal(largest, 1000);
});

test('rows over their limit are announced and dropped, wherever the chunks are cut; those at the limit pass', () => {
  const row = (letter: string, bytes: number): Uint8Array => message(letter, (body) => body.bytes(Buffer.alloc(bytes - 5, letter)));
  const stream = Buffer.concat([
    row('D', 20),
    row('D', 21),
    row('D', 12),
    row('d', 40),
    row('d', 20),
    message('C'),
    row('D', 22),
    message('Z'),
  ]);
  const seenOf = (chunks: readonly Uint8Array[]): [string[], number] => {
    const events: string[] = [];
    let rowBytes = 0;
    const scanner = new UpstreamScanner(
      {
        rowStarts: (_, bytes) => void events.push(`row ${bytes}`),
        rowBytes: (slice) => (rowBytes += slice.length),
        message: (type) => void events.push(String.fromCharCode(type)),
      },
      1024,
      { maxBytes: 20, refused: (type) => void events.push(`refused ${String.fromCharCode(type)}`) },
    );
    for (const chunk of chunks) scanner.push(chunk);
    return [events, rowBytes];
  };
  const whole = seenOf([stream]);
  assert.deepEqual(whole, [['row 20', 'refused D', 'row 12', 'refused d', 'row 20', 'C', 'refused D', 'Z'], 52]);
  for (let at = 1; at < stream.length; at += 1)
    assert.deepEqual(seenOf([stream.subarray(0, at), stream.subarray(at)]), whole, `cut at ${at}`);
  assert.deepEqual(seenOf([...stream].map((byte) => Buffer.from([byte]))), whole);
});

test('a message other than a row over the limit is refused at its header', () => {
  const scanner = new UpstreamScanner({ rowStarts: () => undefined, rowBytes: () => undefined, message: () => undefined }, 1024);
  assert.throws(() => scanner.push(Buffer.from([0x45, 0, 1, 0, 0])), { code: 'SP_UPSTREAM_PROTOCOL' });
});

test('arbitrary bytes from either side parse or fail with a fault of ours', () => {
  const letters = fc.constantFrom(...'QPBDECHSdcfFXp!'.split(''));
  fc.assert(
    fc.property(letters, fc.uint8Array({ maxLength: 60 }), (letter, body) => {
      onlyOurs(() => parseClientMessage({ type: letter.charCodeAt(0), body, bytes: body }));
      onlyOurs(() => parseFirstPacket(Buffer.concat([Buffer.from([0, 0, 0, body.length + 8]), Buffer.from([0, 3, 0, 0]), body])));
      onlyOurs(() => parseRowDescription(body));
      onlyOurs(() => parseFields(body));
      onlyOurs(() => scan([body]));
    }),
    { numRuns: 500 },
  );
});

test('start-up parameters outside the list are refused by name, never with their value', () => {
  const read = (extra: Record<string, string>): unknown => readStartup(196608, new Map(Object.entries({ user: 'u', ...extra })));
  for (const [name, value] of [
    ['search_path', 'evil'],
    ['client_encoding', 'LATIN1'],
    ['standard_conforming_strings', 'off'],
    ['replication', 'database'],
    ['session_authorization', 'postgres'],
    ['options', '-c search_path=evil'],
    ['options', '-c  role=postgres'],
    ['options', '--session-preload-libraries=evil'],
    ['options', '-S 1'],
    ['sallyport.token_key', 'evil'],
  ] as const) {
    assert.throws(
      () => read({ [name]: value }),
      (fault) => fault instanceof SallyportError && !`${fault.message} ${String(Reflect.get(fault, 'parameter'))}`.includes('evil'),
      name,
    );
  }
});

test('accepted start-up parameters keep their values, and the database names the target', () => {
  const parameters = new Map([
    ['user', 'ann'],
    ['database', 'clinic/records'],
    ['application_name', 'psql'],
    ['client_encoding', "'utf-8'"],
    ['options', '-c statement_timeout=5s --timezone=Europe/Berlin -c DateStyle=ISO,\\ DMY'],
    ['_pq_.magic', '1'],
  ]);
  const wishes = readStartup(196608, parameters);
  assert.deepEqual([wishes.target, wishes.database, wishes.application], ['clinic', 'records', 'psql']);
  assert.deepEqual(
    [...wishes.settings],
    [
      ['statement_timeout', '5s'],
      ['TimeZone', 'Europe/Berlin'],
      ['DateStyle', 'ISO, DMY'],
    ],
  );
  assert.deepEqual(wishes.unknownOptions, ['_pq_.magic']);
});

test('options are cut like a command line', () => {
  assert.deepEqual(parseOptions('-cgeqo=off  -c a=b\\ c --x-y=1'), [
    ['geqo', 'off'],
    ['a', 'b c'],
    ['x_y', '1'],
  ]);
});

test('start-up packets of impossible length are refused before they are read', () => {
  assert.equal(firstPacketLength(Buffer.from([0, 0, 0])), null);
  assert.throws(() => firstPacketLength(Buffer.from([0, 1, 0, 0])), { code: 'SP_WIRE_TOO_LARGE' });
  assert.throws(() => firstPacketLength(Buffer.from([0, 0, 0, 7])), { code: 'SP_WIRE_MALFORMED' });
  assert.throws(() => parseFirstPacket(Buffer.from([0, 0, 0, 9, 0, 2, 0, 0, 0])), { code: 'SP_WIRE_UNSUPPORTED' });
});

test('a built message carries its own length', () => {
  assert.equal(Buffer.from(message('S')).toString('hex'), '5300000004');
});

function scan(chunks: readonly Uint8Array[]): { messages: string[]; rows: number; rowBytes: number } {
  const seen = { messages: [] as string[], rows: 0, rowBytes: 0 };
  const scanner = new UpstreamScanner(
    {
      rowStarts: () => (seen.rows += 1),
      rowBytes: (slice) => (seen.rowBytes += slice.length),
      message: (type, whole) => {
        assert.equal(whole[0], type);
        seen.messages.push(String.fromCharCode(type));
      },
    },
    1 << 20,
  );
  for (const chunk of chunks) scanner.push(chunk);
  return seen;
}

function onlyOurs(run: () => unknown): void {
  try {
    run();
  } catch (fault) {
    assert.ok(fault instanceof SallyportError, String(fault));
  }
}
