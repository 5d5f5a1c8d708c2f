// Results of Snowflake through the gateway's masker, with a storage and clients over HTTP: chunks are fetched with the account's key, masked in
// threads and served under the gateway's address. No request of a client ever reaches the storage.

import assert from 'node:assert/strict';
import { createServer, get, type IncomingMessage, type RequestListener, request, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { gunzipSync, gzipSync } from 'node:zlib';
import { tableFromIPC } from 'apache-arrow';
import type { SallyportError } from '../../src/core/error.ts';
import {
  createResultMasker,
  type MaskInput,
  recordTo,
  type ResultMasker,
  type SnowflakeQueryData,
} from '../../src/protocols/snowflake/results/index.ts';
import { arrowStream, everyColumn, noProtection, output, rowType, testTokens } from '../../src/protocols/snowflake/results/testing.ts';
import { decodeRecording, RecordingWriter } from '../../src/wire/pg-recording.ts';

const rowtype = [rowType('ID', 'fixed', { scale: 0 }), rowType('SSN', 'text', { length: 11, byteLength: 44 }), rowType('NOTE', 'text')];
const outputs = [output('clear', { name: 'ID' }), output('token', { name: 'SSN' }), output('clear', { name: 'NOTE' })];
const rowsOf = (count: number, from = 0): string =>
  Array.from({ length: count }, (_, row) =>
    JSON.stringify([String(from + row), `123-45-${from + row}`, row % 5 === 0 ? null : `n "${row}"\n`]),
  ).join(',');

async function listening(listener: RequestListener): Promise<{ readonly server: Server; readonly base: string }> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { server, base: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
}

interface Answer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly body: Buffer;
  readonly isWhole: boolean;
}

function fetched(url: string, options: { readonly method?: string; readonly headers?: Record<string, string> } = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    request(url, options, (response) => {
      const parts: Buffer[] = [];
      response.on('data', (part: Buffer) => parts.push(part));
      response.on('error', () => undefined);
      response.on('close', () =>
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(parts), isWhole: response.complete }),
      );
    })
      .on('error', reject)
      .end();
  });
}

async function until(isSo: () => boolean): Promise<void> {
  for (let tries = 0; !isSo(); tries += 1) {
    assert.ok(tries < 500, 'it never came to be so');
    await sleep(10);
  }
}

describe('results of Snowflake', () => {
  let storage: Awaited<ReturnType<typeof listening>>;
  let gateway: Awaited<ReturnType<typeof listening>>;
  let masker: ResultMasker;
  let nowMs = Date.UTC(2026, 0, 1);
  const refused: { owner: string; fault: SallyportError }[] = [];
  /** Path -> what the storage answers. */
  const chunks = new Map<string, RequestListener>();
  const asked: IncomingMessage[] = [];

  const serve = (path: string, bytes: Buffer, encoding = 'gzip'): void => {
    chunks.set(path, (_, response) => response.writeHead(200, { 'content-encoding': encoding }).end(bytes));
  };
  const chunked = (paths: readonly string[], rowCount: number, more: Partial<SnowflakeQueryData> = {}): SnowflakeQueryData => ({
    rowtype,
    rowset: [],
    total: rowCount * paths.length,
    queryResultFormat: 'json',
    qrmk: 'the key of the storage',
    chunks: paths.map((path) => ({ url: `${storage.base}${path}`, rowCount, uncompressedSize: 77, compressedSize: 33 })),
    ...more,
  });
  const mask = (data: SnowflakeQueryData, more: Partial<MaskInput> = {}) =>
    masker.mask({
      data,
      outputs,
      protection: noProtection,
      chunkBase: `${gateway.base}/gw/chunks/`,
      owner: 'session 1',
      tokens: testTokens,
      record: null,
      signal: new AbortController().signal,
      ...more,
    });
  const urlOf = (data: SnowflakeQueryData, index = 0): string => data.chunks?.[index]?.url ?? assert.fail();

  let isNear = false;
  before(async () => {
    storage = await listening((incoming, response) => {
      asked.push(incoming);
      const answer = chunks.get(incoming.url ?? '');
      if (answer === undefined) response.writeHead(404).end();
      else answer(incoming, response);
    });
    gateway = await listening((incoming, response) => {
      void masker.serveChunk((incoming.url ?? '').replace('/gw/chunks/', ''), incoming, response);
    });
    masker = createResultMasker({
      clock: { nowMs: () => nowMs, monotonicMs: () => performance.now() },
      workers: 2,
      maxRowBytes: 1024 * 1024,
      allowsLoopback: true,
      isNear: () => isNear,
      onRefused: (owner, fault) => refused.push({ owner, fault }),
    });
  });
  after(async () => {
    await masker.close();
    for (const each of [storage, gateway]) {
      each.server.closeAllConnections();
      each.server.close();
    }
  });

  it('masks the rows of the answer and those of chunks alike, and tells neither addresses nor keys of the storage', async () => {
    serve('/c0', gzipSync(rowsOf(5000)));
    const { data, rows } = await mask(chunked(['/c0'], 5000, { rowset: JSON.parse(`[${rowsOf(3)}]`) }));
    assert.equal(rows, 5003);
    const told = JSON.stringify(data);
    assert.ok(!told.includes(storage.base) && !told.includes('qrmk') && !told.includes('key of the storage') && !told.includes('123-45'));
    assert.deepEqual([data.chunkHeaders, data.rowtype?.[1]?.nullable, data.rowtype?.[1]?.length], [{}, true, 16_777_216]);
    const { status, body, headers, isWhole } = await fetched(urlOf(data));
    assert.deepEqual([status, headers['content-encoding'], headers['cache-control'], isWhole], [200, 'gzip', 'no-store', true]);
    assert.equal(asked.at(-1)?.headers['x-amz-server-side-encryption-customer-key'], 'the key of the storage');
    assert.equal(asked.at(-1)?.headers['x-amz-server-side-encryption-customer-algorithm'], 'AES256');
    const shown = JSON.parse(`[${gunzipSync(body).toString()}]`) as string[][];
    const wanted = (JSON.parse(`[${rowsOf(5000)}]`) as string[][]).map(([id, ssn, note]) => [
      id,
      testTokens.issue('phi.x', ssn ?? ''),
      note,
    ]);
    assert.deepEqual(shown, wanted);
    assert.deepEqual(data.rowset, wanted.slice(0, 3));
  });

  it('does not zip for a client that is near, and masks alike', async () => {
    serve('/near', gzipSync(rowsOf(500)));
    const { data } = await mask(chunked(['/near'], 500, { rowset: [] }));
    const url = urlOf(data);
    const far = await fetched(url);
    isNear = true;
    try {
      const near = await fetched(url);
      assert.deepEqual([near.status, near.headers['content-encoding'], near.isWhole], [200, undefined, true]);
      assert.deepEqual(near.body, gunzipSync(far.body));
    } finally {
      isNear = false;
    }
  });

  it('masks Arrow in the answer and in chunks', async () => {
    const columns = everyColumn();
    const masked = columns.map((_, index) => output(index % 2 === 0 ? 'redact' : 'clear'));
    const stream = arrowStream(columns, [1000, 24]);
    serve('/a0', gzipSync(stream));
    const { data, rows } = await mask(
      {
        rowtype: columns.map(({ column }) => column),
        rowsetBase64: arrowStream(columns, [5]).toString('base64'),
        queryResultFormat: 'arrow',
        chunkHeaders: { 'x-key': 'k' },
        chunks: [{ url: `${storage.base}/a0`, rowCount: 1024 }],
      },
      { outputs: masked },
    );
    assert.equal(rows, 1029);
    assert.equal(tableFromIPC(Buffer.from(data.rowsetBase64 ?? '', 'base64')).numRows, 5);
    const { body } = await fetched(urlOf(data));
    assert.equal(asked.at(-1)?.headers['x-key'], 'k');
    const shown = tableFromIPC(gunzipSync(body));
    const original = tableFromIPC(stream);
    for (const [index, { column }] of columns.entries()) {
      const [left, right] = [shown.getChild(column.name), original.getChild(column.name)];
      if (index % 2 === 1) assert.deepEqual(left?.toJSON(), right?.toJSON(), column.name);
      else
        assert.ok(
          left?.toJSON().every((value) => value === null || value === '***' || value === '"***"'),
          column.name,
        );
    }
  });

  it('announces nothing when the answer disagrees with the plan', async () => {
    await assert.rejects(mask(chunked(['/c0'], 5000), { outputs: outputs.slice(1) }), { code: 'SP_LINEAGE_DISAGREEMENT' });
    await assert.rejects(mask(chunked(['/c0'], 5000), { outputs: [output('clear', { name: 'X' }), ...outputs.slice(1)] }), {
      code: 'SP_LINEAGE_DISAGREEMENT',
    });
    await assert.rejects(mask({ rowset: [['1', 'x', 'y']] }), { code: 'SP_LINEAGE_DISAGREEMENT' });
    await assert.rejects(mask(chunked(['/c0'], 1, { stageInfo: { creds: {} } })), { code: 'SP_UPSTREAM_PROTOCOL' });
    await assert.rejects(mask(chunked(['/c0'], 1, { queryResultFormat: 'csv' })), { code: 'SP_UPSTREAM_PROTOCOL' });
  });

  it('asks no address over plaintext elsewhere, none of another scheme and none with credentials', async () => {
    for (const url of ['http://192.0.2.1/c', 'http://localhost.example/c', 'file:///etc/passwd', 'https://u:p@host/c', 'nothing']) {
      await assert.rejects(mask({ ...chunked([], 1), chunks: [{ url, rowCount: 1 }] }), { code: 'SP_UPSTREAM_PROTOCOL' }, url);
    }
  });

  it('follows the storage within its own domain only', async () => {
    chunks.set('/moved', (_, response) => response.writeHead(307, { location: '/c0' }).end());
    chunks.set('/away', (_, response) => response.writeHead(307, { location: storage.base.replace('127.0.0.1', '127.0.0.2') }).end());
    const { data } = await mask(chunked(['/moved', '/away'], 5000));
    assert.equal((await fetched(urlOf(data))).status, 200);
    assert.equal((await fetched(urlOf(data, 1))).status, 410);
  });

  it('knows a chunk by its whole address, until its time or its session ends', async () => {
    const { data } = await mask(chunked(['/c0'], 5000), { owner: 'session 2' });
    const url = urlOf(data);
    const before = asked.length;
    const forged = url.replace(/.$/, (last) => (last === 'A' ? 'B' : 'A'));
    for (const each of [forged, url.slice(0, -1), `${url}.x`, `${gateway.base}/gw/chunks/`, url.slice(0, url.lastIndexOf('.'))]) {
      assert.equal((await fetched(each)).status, 404, each);
    }
    assert.equal((await fetched(url, { method: 'POST' })).status, 405);
    const head = await fetched(url, { method: 'HEAD' });
    assert.deepEqual([head.status, head.body.length, head.headers['content-length']], [200, 0, undefined]);
    assert.equal(asked.length, before, 'the storage was asked');
    nowMs += 7 * 3600 * 1000;
    assert.equal((await fetched(url)).status, 403);
    nowMs -= 7 * 3600 * 1000;
    assert.equal((await fetched(url)).status, 200);
    masker.forget('session 2');
    assert.equal((await fetched(url)).status, 404);
  });

  it('gives the whole masked chunk to requests for parts of it', async () => {
    const { data } = await mask(chunked(['/c0'], 5000));
    const part = await fetched(urlOf(data), { headers: { range: 'bytes=0-99', 'if-none-match': '*', 'if-range': 'x' } });
    assert.deepEqual([part.status, part.headers['content-range'], part.headers['etag']], [200, undefined, undefined]);
    assert.ok(!gunzipSync(part.body).includes('123-45'));
    assert.equal(asked.at(-1)?.headers.range, undefined);
  });

  it('refuses what is no chunk of its plan, for good, and says so', async () => {
    const wrong: Record<string, Buffer> = {
      '/width': gzipSync('["1","2"]'),
      '/object': gzipSync('[{"a":1}]'),
      '/number': gzipSync('["1",2,"3"]'),
      '/cut': gzipSync(`${rowsOf(10)},["1","2"`),
      '/more': gzipSync(rowsOf(11)),
      '/fewer': gzipSync(rowsOf(9)),
      '/zip': gzipSync(rowsOf(10)).subarray(0, 40),
      '/arrow': gzipSync(arrowStream(everyColumn(), [10])),
    };
    for (const [path, bytes] of Object.entries(wrong)) {
      serve(path, bytes);
      const { data } = await mask(chunked([path], 10), { owner: 'session 3' });
      const first = await fetched(urlOf(data));
      assert.ok(first.status === 410 || !first.isWhole, path);
      assert.equal((await fetched(urlOf(data))).status, 410, path);
      assert.deepEqual([refused.at(-1)?.owner, refused.at(-1)?.fault.code], ['session 3', 'SP_UPSTREAM_PROTOCOL'], path);
      assert.doesNotMatch(refused.at(-1)?.fault.message ?? '', /123-45|127\.0\.0\.1/);
    }
  });

  it('cuts an answer whose chunk goes wrong after its beginning was sent', async () => {
    serve('/late', gzipSync(`${rowsOf(40_000)},["1",{},"x"]`));
    const { data } = await mask(chunked(['/late'], 40_001));
    const { status, isWhole, body } = await fetched(urlOf(data));
    assert.deepEqual([status, isWhole], [200, false]);
    assert.throws(() => gunzipSync(body));
  });

  it('says 403 for what the storage has no more, and 503 for what may come again', async () => {
    chunks.set('/gone', (_, response) => response.writeHead(403).end('<Error>secret</Error>'));
    chunks.set('/busy', (_, response) => response.writeHead(503).end());
    chunks.set('/lost', (_, response) => response.destroy());
    const { data } = await mask(chunked(['/gone', '/busy', '/lost'], 10));
    for (const [index, wanted] of [403, 503, 503].entries()) {
      const answer = await fetched(urlOf(data, index));
      assert.deepEqual([answer.status, answer.body.length], [wanted, 0]);
    }
  });

  it('never passes a chunk of which the storage gave a part only', async () => {
    const whole = gzipSync(rowsOf(50_000));
    chunks.set('/part', (_, response) => {
      response.writeHead(200, { 'content-length': String(whole.length) });
      response.write(whole.subarray(0, whole.length / 2), () => response.destroy());
    });
    for (const each of [outputs, outputs.map(() => output('clear'))]) {
      const { data } = await mask(chunked(['/part'], 50_000), { outputs: each });
      const { status, isWhole } = await fetched(urlOf(data));
      assert.ok(status === 503 || !isWhole);
    }
  });

  it('passes a chunk of which nothing is masked as it is, under its own address all the same', async () => {
    const bytes = gzipSync('anything');
    serve('/clear', bytes);
    const { data } = await mask(chunked(['/clear'], 1), { outputs: outputs.map(() => output('clear')) });
    assert.ok(!JSON.stringify(data).includes(storage.base));
    assert.deepEqual((await fetched(urlOf(data))).body, bytes);
  });

  it('reads no faster than its client, and stops when that is gone', async () => {
    let isClosed = false;
    let sent = 0;
    const piece = Buffer.from(`${rowsOf(500)},`);
    chunks.set('/endless', (_, response) => {
      response.writeHead(200);
      response.on('close', () => (isClosed = true));
      const more = (): void => {
        do sent += piece.length;
        while (response.write(piece));
      };
      response.on('drain', more);
      more();
    });
    const { data } = await mask(chunked(['/endless'], Number.MAX_SAFE_INTEGER));
    const client = get(urlOf(data), (response) => response.pause());
    client.on('error', () => undefined);
    let last = -1;
    await until(() => sent > 0);
    for (; sent !== last; await sleep(300)) last = sent;
    assert.ok(sent < 200 * 1024 * 1024, `${sent} bytes were read for a client that reads none`);
    client.destroy();
    await until(() => isClosed);
  });

  it('ends transfers with their session', async () => {
    let isClosed = false;
    chunks.set('/slow', (_, response) => {
      response.writeHead(200).write(`${rowsOf(3000)},`);
      response.on('close', () => (isClosed = true));
    });
    const before = asked.length;
    const { data } = await mask(chunked(['/slow'], 10_000), { owner: 'session 4' });
    const answer = fetched(urlOf(data)).catch(() => null);
    await until(() => asked.length > before);
    masker.forget('session 4');
    assert.notEqual((await answer)?.isWhole, true);
    await until(() => isClosed);
  });

  it('asks again when the storage closes a connection that it had kept', async () => {
    const sockets = new Set<object>();
    let closed = 0;
    chunks.set('/again', (incoming, response) => {
      // The first use of each connection is answered, the next ends it, as a server does whose patience is over.
      if (sockets.has(incoming.socket)) {
        closed += 1;
        incoming.socket.destroy();
        return;
      }
      sockets.add(incoming.socket);
      response.end(gzipSync(rowsOf(10)));
    });
    const { data } = await mask(chunked(['/again'], 10));
    for (let times = 0; times < 3; times += 1) assert.equal((await fetched(urlOf(data))).status, 200);
    assert.ok(closed > 0);
  });

  it('serves many chunks at a time, each whole', async () => {
    for (let index = 0; index < 12; index += 1) serve(`/m${index}`, gzipSync(rowsOf(1000, index * 1000)));
    const { data } = await mask(
      chunked(
        Array.from({ length: 12 }, (_, index) => `/m${index}`),
        1000,
      ),
    );
    const answers = await Promise.all(Array.from({ length: 12 }, (_, index) => fetched(urlOf(data, index))));
    for (const [index, { body, status, isWhole }] of answers.entries()) {
      assert.deepEqual([status, isWhole], [200, true], refused.at(-1)?.fault.message);
      const rows = JSON.parse(`[${gunzipSync(body).toString()}]`) as string[][];
      assert.deepEqual([rows.length, rows[0]?.[0]], [1000, String(index * 1000)]);
      assert.ok(!gunzipSync(body).includes('123-45'));
    }
  });

  it('records rows as clients will see them, of the answer and of chunks, before any client can fetch them', async () => {
    serve('/r', gzipSync(rowsOf(100)));
    const limits = { maxRows: 5, maxBytes: 100_000 };
    const writer = new RecordingWriter(limits);
    const sink = recordTo(writer, { rows: 5, bytes: 100_000 }, () => 7);
    const { data } = await mask(chunked(['/r'], 100, { rowset: JSON.parse(`[${rowsOf(2)}]`) }), { record: sink });
    assert.equal(data.chunks?.length, 1);
    const { events, rowsShown } = decodeRecording(writer.finish(9, 102));
    assert.deepEqual(events[0], { kind: 'columns', ms: 7, names: ['ID', 'SSN', 'NOTE'], binary: [false, false, false] });
    const shown = events.flatMap((event) =>
      event.kind === 'row' ? [event.values.map((value) => (value === null ? null : Buffer.from(value).toString()))] : [],
    );
    assert.equal(rowsShown, 5);
    assert.deepEqual(shown[1], ['1', testTokens.issue('phi.x', '123-45-1'), 'n "1"\n']);
    assert.deepEqual(shown[2], ['0', testTokens.issue('phi.x', '123-45-0'), null]);
  });

  it('holds a bounded amount of memory for a large chunk', async () => {
    const block = `${rowsOf(2000)},`;
    const blocks = 800;
    chunks.set('/large', (_, response) => {
      response.writeHead(200);
      let left = blocks;
      const more = (): void => {
        while (left > 0) {
          left -= 1;
          if (!response.write(left === 0 ? block.slice(0, -1) : block)) return;
        }
        response.end();
      };
      response.on('drain', more);
      more();
    });
    const masked = [output('clear'), output('redact'), output('clear')];
    const { data } = await mask(chunked(['/large'], 2000 * blocks), { outputs: masked });
    const startedRss = process.memoryUsage.rss();
    let largest = 0;
    const timer = setInterval(() => (largest = Math.max(largest, process.memoryUsage.rss())), 20);
    const received = await new Promise<number>((resolve, reject) => {
      get(urlOf(data), (response) => {
        let bytes = 0;
        response.on('data', (part: Buffer) => (bytes += part.length));
        response.on('close', () => (response.complete ? resolve(bytes) : reject(new Error('cut'))));
      });
    });
    clearInterval(timer);
    assert.ok(received > 1_000_000);
    assert.ok(
      largest - startedRss < 120 * 1024 * 1024,
      `${Math.round((largest - startedRss) / 1024 / 1024)} MB more for ${Math.round((block.length * blocks) / 1024 / 1024)} MB`,
    );
  });
});
