import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { after, before, beforeEach, describe, it } from 'node:test';
import { type HttpDouble, startHttpDouble } from '../../test/support/http-double.ts';
import { boundedNotice } from '../core/notice.ts';
import { Secret } from '../core/secret.ts';
import { systemEgress } from './egress.ts';
import { createEmailChannel, type Mail } from './email-channel.ts';
import { createTeamsChannel, TEAMS_MAX_BYTES, teamsBody } from './teams-channel.ts';
import { ManualTime, messageOf, NOW_MS, noticeOf, thingId } from './testing.ts';
import { createWebhookChannel } from './webhook-channel.ts';
import { webhookKeys, webhookSignature } from './webhook-signature.ts';

const never = new AbortController().signal;
const common = { name: 'siem', events: null, roles: null, giveUpAfterMs: 1, rules: { allowPrivate: false, insecure: true, ca: null } };
const WHSEC = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';

const keysOf = (text: string) => webhookKeys(new Secret(text)) ?? assert.fail(text);

let http: HttpDouble;
before(async () => (http = await startHttpDouble()));
after(() => http.close());
beforeEach(() => {
  http.received.length = 0;
  http.answer = (_received, response) => void response.end('ok');
});

describe('a webhook signature', () => {
  it('is the one of the Standard Webhooks libraries', () => {
    const keys = keysOf(WHSEC);
    assert.equal(
      webhookSignature(keys, 'msg_p5jXN8AQM9LWM0D4loKWxJek', 1614265330, '{"test": 2432232314}'),
      'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
    );
  });

  it('is made with every key while keys are changed', () => {
    const other = `whsec_${Buffer.alloc(32, 7).toString('base64')}`;
    const both = webhookSignature(keysOf(`${WHSEC}\n${other}\n`), 'msg_a', 1, '{}');
    assert.deepEqual(both.split(' '), [
      webhookSignature(keysOf(WHSEC), 'msg_a', 1, '{}'),
      webhookSignature(keysOf(other), 'msg_a', 1, '{}'),
    ]);
  });

  it('needs a secret of the form and length that the specification wants', () => {
    for (const text of ['', 'secret', 'whsec_', 'whsec_!!!', `whsec_${'A'.repeat(28)}`, `whsec_${'A'.repeat(120)}`, `${WHSEC} x`]) {
      assert.equal(webhookKeys(new Secret(text)), null, text);
    }
  });
});

describe('a webhook', () => {
  const time = new ManualTime();
  const channel = () =>
    createWebhookChannel(
      { ...common, url: new URL(`${http.url}/hook`), keys: keysOf(WHSEC) },
      { ...systemEgress, clock: time.clock, version: '1.2.3' },
    );

  it('is a versioned document, signed as it is sent', async () => {
    time.advance(5_500);
    const message = messageOf();
    assert.deepEqual(await channel().send(message, never), { isSent: true });
    const [{ headers, body, path } = assert.fail()] = http.received;
    assert.deepEqual(
      [path, headers['content-type'], headers['user-agent'], headers['webhook-id']],
      ['/hook', 'application/json', 'Sallyport/1.2.3', message.id],
    );
    // The attempt's time, so that receivers which refuse old ones take a late one.
    assert.equal(headers['webhook-timestamp'], String(Math.floor((NOW_MS + 5_500) / 1000)));
    const key = Buffer.from(WHSEC.slice(6), 'base64');
    const expected = createHmac('sha256', key).update(`${message.id}.${headers['webhook-timestamp']}.${body}`).digest('base64');
    assert.equal(headers['webhook-signature'], `v1,${expected}`);
    assert.deepEqual(JSON.parse(body), {
      version: 1,
      type: 'approval.requested',
      timestamp: '2026-11-21T09:00:00.000Z',
      data: {
        id: thingId('a'),
        title: 'clinic: a statement needs approval',
        facts: [
          { name: 'Who', value: 'Agent 1 (corp/agent-1, agent)' },
          { name: 'Statement', value: 'SELECT * FROM patients' },
        ],
        link: 'https://gate.example.com/x',
        actions: ['approve', 'deny'],
        who: 'privacy-officer',
      },
    });
  });

  it('is delivered with any 2xx, over with 410, and tried again after everything else', async () => {
    for (const [status, delivery] of [
      [200, { isSent: true }],
      [204, { isSent: true }],
      [301, { isSent: false, fault: 'status-301' }],
      [400, { isSent: false, fault: 'status-400' }],
      [410, { isSent: false, fault: 'status-410', isFinal: true }],
      [429, { isSent: false, fault: 'status-429', retryAfterMs: 3_000 }],
      [500, { isSent: false, fault: 'status-500' }],
      [503, { isSent: false, fault: 'status-503', retryAfterMs: 3_000 }],
    ] as const) {
      http.answer = (_received, response) => response.writeHead(status, { 'retry-after': '3' }).end();
      assert.deepEqual(await channel().send(messageOf(), never), delivery, String(status));
    }
  });
});

describe('Teams', () => {
  const channel = () => createTeamsChannel({ ...common, url: new Secret(`${http.url}/workflows/1?sig=very-secret`) }, systemEgress);

  it('gets an Adaptive Card with facts and a link', async () => {
    assert.deepEqual(await channel().send(messageOf(), never), { isSent: true });
    const [{ headers, body, path } = assert.fail()] = http.received;
    assert.deepEqual([headers['content-type'], path], ['application/json', '/workflows/1?sig=very-secret']);
    const { type, attachments } = JSON.parse(body);
    assert.deepEqual([type, attachments.length, attachments[0].contentType], ['message', 1, 'application/vnd.microsoft.card.adaptive']);
    const card = attachments[0].content;
    assert.deepEqual([card.type, card.version], ['AdaptiveCard', '1.4']);
    assert.deepEqual(
      card.body.map((block: any) => block.inlines.map((run: any) => run.text).join('')),
      ['clinic: a statement needs approval', 'Who: Agent 1 (corp/agent-1, agent)', 'Statement: SELECT * FROM patients'],
    );
    assert.deepEqual(card.actions, [{ type: 'Action.OpenUrl', title: 'Answer', url: 'https://gate.example.com/x' }]);
  });

  it('reads no Markdown in names and values: they are text runs', () => {
    const card = JSON.parse(teamsBody(noticeOf({ facts: [{ name: 'Who', value: '[approved](https://evil.example.com)' }] }), null));
    const types = new Set<string>();
    JSON.stringify(card.attachments[0].content.body, (key, value) => (key === 'type' ? (types.add(value), value) : value));
    assert.deepEqual([...types].sort(), ['RichTextBlock', 'TextRun']);
  });

  it('gets no more than it takes, in bytes', () => {
    const facts = Array.from({ length: 40 }, (_, at) => ({ name: `${at}`, value: '\u0800"\\'.repeat(600) }));
    const body = teamsBody(boundedNotice(noticeOf({ title: '"😀'.repeat(200), facts })), `https://gate.example.com/${'x'.repeat(500)}`);
    assert.ok(Buffer.byteLength(body) <= TEAMS_MAX_BYTES);
    assert.ok(JSON.parse(body));
  });

  it('that says 200 and means no is tried again', async () => {
    http.answer = (_received, response) =>
      void response.end('Webhook message delivery failed with error: Microsoft Teams endpoint returned HTTP error 429 with ContextId x');
    assert.deepEqual(await channel().send(messageOf(), never), { isSent: false, fault: 'teams-refused' });
    http.answer = (_received, response) => response.writeHead(202).end();
    assert.deepEqual(await channel().send(messageOf(), never), { isSent: true });
  });
});

describe('e-mail', () => {
  const sent: Mail[] = [];
  const channel = () =>
    createEmailChannel(
      { ...common, from: 'gate@example.com', to: ['olga@example.com', 'otto@example.com'] },
      {
        sendMail: async (mail) => {
          sent.push(mail);
          return { isSent: true };
        },
      },
    );
  beforeEach(() => void (sent.length = 0));

  it('is plain text with the facts and the link', async () => {
    assert.deepEqual(await channel().send(messageOf(), never), { isSent: true });
    assert.deepEqual(
      [sent[0]?.from, sent[0]?.to, sent[0]?.subject],
      ['gate@example.com', ['olga@example.com', 'otto@example.com'], '[Sallyport] clinic: a statement needs approval'],
    );
    assert.equal(
      sent[0]?.text,
      [
        'clinic: a statement needs approval',
        '',
        'Who:        Agent 1 (corp/agent-1, agent)',
        'Statement:  SELECT * FROM patients',
        '',
        'https://gate.example.com/x',
        '',
      ].join('\n'),
    );
    assert.equal(sent[0]?.headers['Auto-Submitted'], 'auto-generated');
  });

  it('has the same id in every attempt, and one thread for one thing', async () => {
    await channel().send(messageOf(), never);
    await channel().send(messageOf(), never);
    await channel().send(messageOf({ id: `ntf_${'c'.repeat(26)}`, notice: noticeOf({ event: 'approved 1' }) }), never);
    await channel().send(messageOf({ notice: noticeOf({ id: thingId('b') }) }), never);
    const [first, again, answered, other] = sent;
    assert.equal(first?.messageId, `<${messageOf().id}@example.com>`);
    assert.equal(again?.messageId, first?.messageId);
    assert.notEqual(answered?.messageId, first?.messageId);
    assert.deepEqual(answered?.references, first?.references);
    assert.notDeepEqual(other?.references, first?.references);
  });

  it('lets no text of a notice become a header or another recipient', async () => {
    const evil = 'x\r\nBcc: everyone@example.com\r\n\r\n<html>';
    const notice = boundedNotice(noticeOf({ id: evil, title: evil, facts: [{ name: evil, value: evil }] }));
    await channel().send(messageOf({ notice }), never);
    const { text, ...head } = sent[0] ?? assert.fail();
    assert.doesNotMatch(JSON.stringify(head), /\\r|\\n/);
    assert.equal(text.split('\n').length, 6, 'a title, a fact, a link');
  });
});
