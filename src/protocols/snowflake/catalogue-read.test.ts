import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { readChunkRows } from './catalogue-chunks.ts';
import { readCatalogue } from './catalogue-read.ts';
import type { Envelope, JsonObject } from './protocol.ts';

const tableLabels = ['TABLE_CATALOG', 'TABLE_SCHEMA', 'TABLE_NAME', 'TABLE_TYPE', 'IS_DYNAMIC'];
const columnLabels = ['TABLE_CATALOG', 'TABLE_SCHEMA', 'TABLE_NAME', 'COLUMN_NAME', 'ORDINAL_POSITION', 'DATA_TYPE', 'IS_NULLABLE'];
const tables = [
  ['CLINIC', 'PUBLIC', 'PATIENTS', 'BASE TABLE', 'NO'],
  ['CLINIC', 'PUBLIC', 'PATIENTS_V', 'VIEW', 'NO'],
  ['CLINIC', 'PUBLIC', 'HIDDEN_V', 'VIEW', 'NO'],
];
const columns = [
  ['CLINIC', 'PUBLIC', 'PATIENTS', 'SSN', '2', 'TEXT', 'YES'],
  ['CLINIC', 'PUBLIC', 'PATIENTS', 'ID', '1', 'NUMBER', 'NO'],
  ['CLINIC', 'PUBLIC', 'PATIENTS_V', 'ID', '1', 'NUMBER', 'NO'],
];

const ok = (labels: readonly string[], rowset: readonly unknown[], more: JsonObject = {}): Envelope => ({
  success: true,
  code: null,
  message: null,
  data: { rowtype: labels.map((name) => ({ name, type: 'text' })), rowset, total: rowset.length, ...more },
});
const failed: Envelope = { success: false, code: '002003', message: 'Object SECRET does not exist', data: null };

async function read(answers: (text: string) => Envelope, chunkRows = async (): Promise<(string | null)[][]> => []) {
  const connection = { own: async (text: string) => answers(text) };
  return readCatalogue({ connection, chunkRows }, ['CLINIC'], new AbortController().signal);
}

const answers = (text: string): Envelope => {
  if (text.includes('.TABLES')) return ok(tableLabels, tables);
  if (text.includes('.COLUMNS')) return ok(columnLabels, columns);
  return text.includes('HIDDEN_V') ? failed : ok(['DDL'], [['create or replace view PATIENTS_V(ID) as select ID from PATIENTS;']]);
};

test('tables, columns in their order, and the definitions that may be seen', async () => {
  const catalogue = await read(answers);
  const columnsOf = (name: string): readonly string[] | undefined =>
    catalogue.relation('CLINIC', 'PUBLIC', name)?.columns?.map((column) => column.name);
  assert.deepEqual(columnsOf('PATIENTS'), ['ID', 'SSN']);
  assert.match(catalogue.relation('CLINIC', 'PUBLIC', 'PATIENTS_V')?.definition ?? '', /select ID from PATIENTS/);
  assert.equal(catalogue.relation('CLINIC', 'PUBLIC', 'HIDDEN_V')?.definition, null);
  assert.equal((await read(answers)).version, catalogue.version);
});

test('rows that did not fit into the answer are read, and rows that are missing are noticed', async () => {
  const split = (text: string): Envelope =>
    text.includes('.COLUMNS')
      ? ok(columnLabels, columns.slice(0, 1), { total: 3, chunks: [{ url: 'https://s/1', rowCount: 2 }] })
      : answers(text);
  const catalogue = await read(split, async () => columns.slice(1));
  assert.equal(catalogue.relation('CLINIC', 'PUBLIC', 'PATIENTS')?.columns?.length, 2);
  await assert.rejects(
    read(split, async () => columns.slice(2)),
    { code: 'SP_UPSTREAM_PROTOCOL', message: /has 3 rows and gave 2/ },
  );
});

test('INVARIANT: a catalogue that was not read whole is none, and the account’s words are not repeated', async () => {
  for (const [which, bad] of [
    ['.TABLES', failed],
    ['.COLUMNS', failed],
    ['.COLUMNS', { ...failed, success: true, data: {} }],
    ['.COLUMNS', ok(columnLabels, [['CLINIC', 'PUBLIC', 'PATIENTS']])],
    ['.COLUMNS', ok(columnLabels, [['CLINIC', 'PUBLIC', 'PATIENTS', null, '1', 'TEXT', 'YES']])],
    ['.TABLES', ok(['OTHER'], [['x']])],
  ] as const) {
    await assert.rejects(
      read((text) => (text.includes(which) ? bad : answers(text))),
      (fault: Error & { code?: string }) => fault.code === 'SP_UPSTREAM_PROTOCOL' && !fault.message.includes('SECRET'),
    );
  }
});

test('chunks are rows without brackets, zipped or not', async () => {
  const asked: unknown[] = [];
  const source = (bodies: readonly Buffer[], statusCode = 200) => ({
    check: (url: string) => new URL(url),
    async open(url: URL, headers: Readonly<Record<string, string>>) {
      asked.push([url.href, headers]);
      return Object.assign(Readable.from([bodies[asked.length - 1] ?? Buffer.alloc(0)]), { statusCode }) as never;
    },
  });
  const data = {
    qrmk: 'key',
    chunks: [
      { url: 'https://s/1', rowCount: 2 },
      { url: 'https://s/2', rowCount: 1 },
    ],
  };
  const { signal } = new AbortController();
  const rows = await readChunkRows(source([gzipSync('["a",null],["b","c"]'), Buffer.from('["d","e"]')]), data, signal);
  assert.deepEqual(rows, [
    ['a', null],
    ['b', 'c'],
    ['d', 'e'],
  ]);
  assert.deepEqual(asked[0], [
    'https://s/1',
    { 'x-amz-server-side-encryption-customer-algorithm': 'AES256', 'x-amz-server-side-encryption-customer-key': 'key' },
  ]);
  for (const body of ['["a",1]', '"a"', '["a"', '{}']) {
    asked.length = 0;
    await assert.rejects(readChunkRows(source([Buffer.from(body)]), { chunks: data.chunks.slice(1) }, signal), {
      code: 'SP_UPSTREAM_PROTOCOL',
    });
  }
  asked.length = 0;
  await assert.rejects(readChunkRows(source([Buffer.from('["a"]')], 403), data, signal), { code: 'SP_UPSTREAM_PROTOCOL' });
});
