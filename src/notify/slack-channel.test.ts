import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import { assertBlocks, type SlackDouble, startSlackDouble } from '../../test/support/slack-double.ts';
import { Secret } from '../core/secret.ts';
import { boundedNotice } from '../core/notice.ts';
import { systemEgress } from './egress.ts';
import { blocksOf } from './slack-blocks.ts';
import { createSlackChannel } from './slack-channel.ts';
import { messageOf, noticeOf, thingId } from './testing.ts';

const TOKEN = 'xoxb-123-secret-token';
const never = new AbortController().signal;

describe('Slack', () => {
  let slack: SlackDouble;
  before(async () => (slack = await startSlackDouble(TOKEN)));
  after(() => slack.close());
  beforeEach(() => {
    slack.calls.length = 0;
    slack.faults.length = 0;
  });

  const channel = (token = TOKEN, hasButtons = true) =>
    createSlackChannel(
      {
        name: 'reviewers',
        events: null,
        roles: null,
        giveUpAfterMs: 1,
        url: new URL(slack.url),
        rules: { allowPrivate: false, insecure: true, ca: null },
        token: new Secret(token),
        channel: 'C0123456789',
        hasButtons,
      },
      systemEgress,
    );

  it('gets one message with the facts, buttons and a link, as its API wants it', async () => {
    const delivery = await channel().send(messageOf(), never);
    assert.deepEqual(slack.faults, []);
    assert.deepEqual(delivery, { isSent: true, reference: '{"channel":"C0123456789","ts":"1700000000.000100"}' });
    const [{ method, body } = assert.fail()] = slack.calls;
    assert.equal(method, 'chat.postMessage');
    assert.deepEqual([body['unfurl_links'], body['link_names']], [false, false]);
    const actions = body['blocks'].at(-1).elements;
    assert.deepEqual(
      actions.map((element: any) => [element.action_id, element.value ?? element.url]),
      [
        ['sallyport.approve', thingId('a')],
        ['sallyport.deny', thingId('a')],
        ['sallyport.open', 'https://gate.example.com/x'],
      ],
    );
    assert.ok(actions[0].confirm, 'a click has to be confirmed');
  });

  it('updates the message and answers in its thread when something happened', async () => {
    const notice = noticeOf({ title: 'clinic: approved', actions: [], facts: [{ name: 'Answers', value: 'approve by corp/olga' }] });
    const delivery = await channel().send(messageOf({ notice, reference: '{"channel":"C1A","ts":"1700000000.000100"}' }), never);
    assert.deepEqual(delivery, { isSent: true });
    assert.deepEqual(slack.faults, []);
    assert.deepEqual(
      slack.calls.map(({ method, body }) => [method, body['channel'], body['ts'], body['thread_ts']]),
      [
        ['chat.update', 'C1A', '1700000000.000100', undefined],
        ['chat.postMessage', 'C1A', undefined, '1700000000.000100'],
      ],
    );
    assert.ok(!JSON.stringify(slack.calls[0]?.body['blocks']).includes('sallyport.approve'), 'the buttons are gone');
    assert.equal(slack.calls[1]?.body['text'], 'clinic: approved: approve by corp/olga');
  });

  it('tells it in the thread when the message cannot be changed any more', async () => {
    slack.failWith('chat.update', 'edit_window_closed');
    const reference = '{"channel":"C1A","ts":"1700000000.000100"}';
    assert.deepEqual(await channel().send(messageOf({ reference }), never), { isSent: true });
    slack.failWith('chat.update', 'ratelimited');
    assert.deepEqual(await channel().send(messageOf({ reference }), never), { isSent: false, fault: 'slack-ratelimited' });
    slack.failWith('chat.update', null);
    assert.deepEqual(
      slack.calls.map((call) => call.method),
      ['chat.update', 'chat.postMessage', 'chat.update'],
    );
  });

  it('posts anew when the reference cannot be read', async () => {
    await channel().send(messageOf({ reference: '{"channel":1}' }), never);
    await channel().send(messageOf({ reference: 'nonsense' }), never);
    assert.deepEqual(
      slack.calls.map((call) => call.method),
      ['chat.postMessage', 'chat.postMessage'],
    );
  });

  it('has no buttons where nobody is configured to answer by them', async () => {
    await channel(TOKEN, false).send(messageOf(), never);
    assert.deepEqual(
      slack.calls[0]?.body['blocks'].at(-1).elements.map((element: any) => element.action_id),
      ['sallyport.open'],
    );
  });

  it('knows faults that Slack tells with status 200, and which can never pass', async () => {
    assert.deepEqual(await channel('xoxb-wrong').send(messageOf(), never), { isSent: false, fault: 'slack-invalid_auth' });
    slack.failWith('chat.postMessage', 'msg_too_long');
    assert.deepEqual(await channel().send(messageOf(), never), { isSent: false, fault: 'slack-msg_too_long', isFinal: true });
    slack.failWith('chat.postMessage', `echo ${TOKEN} and more`);
    assert.deepEqual(await channel().send(messageOf(), never), { isSent: false, fault: 'slack-error' });
    slack.failWith('chat.postMessage', null);
  });

  it('waits as long as a 429 says, and takes no other document for an answer', async () => {
    const { answer } = slack.http;
    slack.http.answer = (_received, response) => response.writeHead(429, { 'retry-after': '7' }).end('{"ok":false,"error":"ratelimited"}');
    assert.deepEqual(await channel().send(messageOf(), never), { isSent: false, fault: 'status-429', retryAfterMs: 7_000 });
    for (const body of ['', 'ok', '<html>', '[]', '{"ok":"true"}']) {
      slack.http.answer = (_received, response) => void response.end(body);
      assert.deepEqual(await channel().send(messageOf(), never), { isSent: false, fault: 'slack-not-understood' }, body);
    }
    slack.http.answer = answer;
  });

  it('is given no text that it would interpret', async () => {
    const evil = '<!channel> <https://evil.example.com|approved> *bold* @here & :tada:';
    await channel().send(messageOf({ notice: noticeOf({ title: evil, facts: [{ name: 'Who', value: evil }] }) }), never);
    assert.deepEqual(slack.faults, []);
    const { text, blocks, parse } = slack.calls[0]?.body ?? {};
    assert.equal(text, '&lt;!channel&gt; &lt;https://evil.example.com|approved&gt; *bold* @here &amp; :tada:');
    assert.equal(parse, 'none');
    assert.ok(!JSON.stringify(blocks).includes('mrkdwn'));
    assert.ok(!JSON.stringify(blocks).includes('"emoji":true'));
  });

  it('stays within the limits of blocks for the largest notice there can be', () => {
    const facts = Array.from({ length: 100 }, (_, at) => ({
      name: `fact ${at} ${'n'.repeat(200)}`,
      value: 'ü😀'.repeat(at % 2 === 0 ? 5_000 : 30),
    }));
    for (const count of [0, 1, 9, 10, 11, 40, 100]) {
      const notice = boundedNotice(noticeOf({ title: 't😀'.repeat(500), facts: facts.slice(0, count) }));
      assertBlocks(blocksOf(notice, 'https://gate.example.com/x', true));
    }
    // Many short facts: the most blocks.
    const short = Array.from({ length: 40 }, (_, at) => ({ name: 'n', value: 'v'.repeat(at % 2 === 0 ? 121 : 1) }));
    assertBlocks(blocksOf(boundedNotice(noticeOf({ facts: short })), null, false));
  });
});
