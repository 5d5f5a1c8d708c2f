import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cefOf } from './cef.ts';
import { ndjson } from './ndjson.ts';
import { otlpBody } from './otlp-destination.ts';
import { hecBody } from './splunk-destination.ts';
import { syslogFrame } from './syslog.ts';
import { leafOfEveryType, testContext, testLeaf } from '../ocsf/testing.ts';

test('CEF: backslashes, bars, equals signs and line ends are escaped where each of them means something', () => {
  const leaf = testLeaf('request.denied', 7, {
    rules: ['a|b=c\\d'],
    statement: { normalised: 'SELECT a = b\nFROM "t\\|"\r\t;', bytes: 1, parameters: [] },
  });
  const text = cefOf(leaf, { origin: 'o', version: '1|2\\3' }, { maxTextChars: 100 });
  assert.ok(text.startsWith('CEF:0|Sallyport|Sallyport|1\\|2\\\\3|request.denied|Statement denied|6|rt='), text);
  assert.ok(text.includes('cs3=a|b\\=c\\\\d cs3Label=rules'), text);
  assert.ok(text.endsWith('msg=SELECT a \\= b\\nFROM "t\\\\|"\\r ;'), text);
  assert.doesNotMatch(text, /[\n\r\t]/);
});

test('CEF: what an entry of any type holds stays on one line and its keys are single', () => {
  for (const leaf of leafOfEveryType(true)) {
    const text = cefOf(leaf, testContext, { maxTextChars: 1000 });
    assert.doesNotMatch(text, /[\p{Cc}]/u);
    const keys = [...text.matchAll(/(?:^|[ |])([A-Za-z0-9]+)(?<!\\)=/g)].map(([, key]) => key);
    assert.deepEqual(keys, [...new Set(keys)], leaf.header.type);
  }
});

test('syslog: a frame is the octets of the message, a space and the message, also with characters of many octets', () => {
  const leaf = testLeaf('auth.fail', 4, { principal: { issuer: 'corp', subject: 'Zoë 病', kind: 'person' } });
  const frame = syslogFrame(leaf, testContext, 8192);
  const space = frame.indexOf(0x20);
  const message = frame.subarray(space + 1);
  assert.equal(Number(frame.subarray(0, space).toString()), message.length);
  assert.match(message.toString(), /^<108>1 2026-11-01T00:00:00\.004Z main sallyport - auth\.fail \[meta sequenceId="5"\] CEF:0\|/);
  assert.match(message.toString(), /suser=corp\/Zoë 病 /);
});

test('syslog: a message that is too long loses text of the statement and nothing else', () => {
  const statement = { normalised: '病'.repeat(5000), bytes: 15_000, parameters: [] };
  const frame = syslogFrame(testLeaf('request.intent', 4, { statement, decision: 'allow' }), testContext, 8192).toString();
  assert.ok(frame.length < 8300);
  assert.match(frame, / act=allow .*msg=病+\.\.\.$/);
});

test('HEC: events one behind the other, time in seconds, the event is the OCSF event', async () => {
  const body = await hecBody([testLeaf('auth.ok', 1), testLeaf('auth.fail', 2)], testContext, { index: 'phi', sourcetype: 'x' });
  const lines = body.split('\n');
  const [first] = lines.map((line) => JSON.parse(line) as { time: number; event: { metadata: { sequence: number } }; index: string });
  assert.equal(lines.length, 2);
  assert.equal(first?.time, Date.UTC(2026, 10, 1) / 1000 + 0.001);
  assert.equal(first?.index, 'phi');
  assert.equal(first?.event.metadata.sequence, 1);
});

test('OTLP: proto-JSON with 64-bit numbers as texts, one resource for each replica, in order', async () => {
  const batch = [testLeaf('auth.ok', 1), testLeaf('alarm', 2), testLeaf('auth.ok', 3, { replica: 'other' })];
  const { resourceLogs } = JSON.parse(await otlpBody(batch, testContext)) as {
    resourceLogs: { scopeLogs: { logRecords: Record<string, unknown>[] }[] }[];
  };
  assert.equal(resourceLogs.length, 2);
  const [record = {}, alarm = {}] = resourceLogs[0]?.scopeLogs[0]?.logRecords ?? [];
  assert.equal(record['timeUnixNano'], `${Date.UTC(2026, 10, 1) + 1}000000`);
  assert.equal(alarm['severityNumber'], 17);
  assert.deepEqual((record['attributes'] as unknown[])[0], { key: 'sallyport.log.index', value: { intValue: '1' } });
});

test('INVARIANT: nobody waits for a whole batch: others have their turn while it becomes text', async () => {
  const request = leafOfEveryType(true).find(({ header }) => header.type === 'request.intent') ?? assert.fail();
  const batch = Array.from({ length: 400 }, () => request);
  for (const encode of [ndjson, otlpBody]) {
    let turns = 0;
    const count = (): void => {
      turns += 1;
      next = setImmediate(count);
    };
    let next = setImmediate(count);
    await encode(batch, testContext);
    clearImmediate(next);
    assert.ok(turns >= 15, `${turns} turns`);
  }
});
