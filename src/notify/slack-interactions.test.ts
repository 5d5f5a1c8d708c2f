// Threat: somebody who is not a reviewer answers an approval through Slack.

import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type SlackDouble, startSlackDouble } from '../../test/support/slack-double.ts';
import { type ErrorCode, SallyportError } from '../core/error.ts';
import type { Principal } from '../core/identity.ts';
import { Secret } from '../core/secret.ts';
import { openStore, type Store } from '../store/index.ts';
import { systemEgress } from './egress.ts';
import { createSlackInteractions, type SlackInteractions } from './slack-interactions.ts';
import { isFromSlack, slackSignature } from './slack-signature.ts';
import { ManualTime, messageOf, NOW_MS, noticeOf, recordingLogger, thingId } from './testing.ts';

const SECRET = new Secret('8f742231b10e8888abcd99yyyzzz85a5');
const code = (wanted: ErrorCode) => (fault: unknown) => fault instanceof SallyportError && fault.code === wanted;
const bytes = (text: string) => new TextEncoder().encode(text);

describe('a Slack signature', () => {
  // The example of Slack's documentation.
  const timestamp = '1531420618';
  const body = bytes(
    'token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c',
  );
  const signature = 'v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503';
  const nowMs = 1_531_420_618_000;

  it('is the one of the documentation', () => assert.equal(slackSignature(SECRET, timestamp, body), signature));

  it('is accepted for five minutes in both directions', () => {
    for (const [offsetMs, accepted] of [
      [0, true],
      [300_000, true],
      [-300_000, true],
      [300_001, false],
      [-300_001, false],
    ] as const) {
      assert.equal(isFromSlack(SECRET, { timestamp, signature, body }, nowMs + offsetMs), accepted, String(offsetMs));
    }
  });

  it('covers every byte, the time and the version', () => {
    const changed = Uint8Array.from(body);
    changed[0] = 0;
    for (const request of [
      { timestamp, signature, body: changed },
      { timestamp: '1531420619', signature, body },
      { timestamp, signature: signature.replace('v0=', 'v1='), body },
      { timestamp, signature: signature.slice(0, -1), body },
      { timestamp, signature: '', body },
      { timestamp: '', signature, body },
      { timestamp: '1531420618.0', signature, body },
      { timestamp: 'NaN', signature, body },
      { timestamp: '-1', signature, body },
    ]) {
      assert.equal(isFromSlack(SECRET, request, nowMs), false);
    }
    assert.equal(isFromSlack(new Secret('other'), { timestamp, signature, body }, nowMs), false);
  });
});

describe('a click in Slack', () => {
  const root = mkdtempSync(join(tmpdir(), 'sallyport-slack-'));
  let stores = 0;
  let slack: SlackDouble;
  let store: Store;
  let time: ManualTime;
  let answered: { id: string; principal: Principal; verdict: string }[];
  let refusal: SallyportError | Error | null;
  let logger: ReturnType<typeof recordingLogger>;
  let interactions: SlackInteractions;
  let clicks = 0;

  before(async () => (slack = await startSlackDouble('xoxb-1')));
  after(async () => {
    await slack.close();
    rmSync(root, { recursive: true, force: true });
  });
  afterEach(() => store.close());

  const open = () =>
    createSlackInteractions(
      {
        name: 'reviewers',
        events: null,
        roles: null,
        giveUpAfterMs: 1,
        url: new URL(slack.url),
        rules: { allowPrivate: false, insecure: true, ca: null },
        token: new Secret('xoxb-1'),
        channel: 'C0A',
        hasButtons: true,
        answers: {
          signingSecret: SECRET,
          team: 'T0A',
          people: [{ user: 'U0OLGA', issuer: 'corp', subject: 'olga', groups: ['privacy'] }],
        },
      },
      {
        ...systemEgress,
        answer: async (id, principal, verdict) => {
          if (refusal !== null) throw refusal;
          answered.push({ id, principal, verdict });
        },
        queue: store.notifications,
        clock: time.clock,
        logger,
      },
      new AbortController().signal,
    );

  beforeEach(async () => {
    store = await openStore({ dir: join(root, String(stores++)) });
    time = new ManualTime();
    answered = [];
    refusal = null;
    logger = recordingLogger();
    slack.calls.length = 0;
    slack.faults.length = 0;
    // Our message about the thing, as the channel left it.
    const { id } = messageOf();
    await store.notifications.add([{ id, channel: 'reviewers', notice: noticeOf(), createdAtMs: NOW_MS }], 10);
    await store.notifications.settle(id, { state: 'sent', atMs: NOW_MS, reference: '{"channel":"C0A","ts":"1700000000.000100"}' });
    interactions = open();
  });

  const payload = (change: object = {}) => ({
    type: 'block_actions',
    user: { id: 'U0OLGA', username: 'olga', team_id: 'T0A' },
    api_app_id: 'A1',
    team: { id: 'T0A', domain: 'corp' },
    container: { type: 'message', message_ts: '1700000000.000100', channel_id: 'C0A', is_ephemeral: false },
    trigger_id: `1.2.${clicks++}`,
    response_url: 'http://169.254.169.254/latest/meta-data/',
    actions: [{ type: 'button', action_id: 'sallyport.approve', block_id: 'b', value: thingId('a'), action_ts: '1' }],
    ...change,
  });
  const signed = (body: string, secret = SECRET) => {
    const timestamp = String(Math.floor(time.nowMs / 1000));
    return { timestamp, signature: slackSignature(secret, timestamp, bytes(body)), body: bytes(body) };
  };
  const form = (value: unknown) => new URLSearchParams({ payload: JSON.stringify(value) }).toString();
  const click = (change: object = {}) => signed(form(payload(change)));
  const told = async (): Promise<string[]> => {
    await interactions.settled();
    assert.deepEqual(slack.faults, []);
    return slack.calls.map(({ method, body }) => `${method} ${body['user']} ${body['text']}`);
  };

  it('answers as the person that is configured, with the groups that are vouched for and for a minute', async () => {
    await interactions.handle(click());
    assert.deepEqual(answered, [
      {
        id: thingId('a'),
        verdict: 'approve',
        principal: {
          issuer: 'corp',
          subject: 'olga',
          kind: 'person',
          name: 'olga',
          groups: ['privacy'],
          claims: {},
          onBehalfOf: null,
          expiresAtMs: NOW_MS + 60_000,
        },
      },
    ]);
    assert.deepEqual(await told(), []);
  });

  it('can deny', async () => {
    await interactions.handle(click({ actions: [{ action_id: 'sallyport.deny', value: thingId('a') }] }));
    assert.equal(answered[0]?.verdict, 'deny');
  });

  it('counts once: the same request again is refused, also after a restart', async () => {
    const request = click();
    await interactions.handle(request);
    await assert.rejects(interactions.handle(request), code('SP_AUTH_INVALID_TOKEN'));
    await assert.rejects(open().handle(request), code('SP_AUTH_INVALID_TOKEN'));
    // Not forgotten while the signature is valid, whatever the clocks of both sides.
    time.advance(299_000);
    await assert.rejects(open().handle(request), code('SP_AUTH_INVALID_TOKEN'));
    assert.equal(answered.length, 1);
  });

  it('without a valid signature does nothing, and leaves nothing behind', async () => {
    const good = click();
    for (const request of [
      signed(form(payload()), new Secret('other')),
      { ...good, signature: good.signature.replace('v0=', 'v0=0').slice(0, -1) },
      { ...good, body: bytes(`${new TextDecoder().decode(good.body)}&x=1`) },
      { ...good, timestamp: String(Number(good.timestamp) + 1) },
    ]) {
      await assert.rejects(interactions.handle(request), code('SP_AUTH_INVALID_TOKEN'));
    }
    time.advance(301_000);
    await assert.rejects(interactions.handle(good), code('SP_AUTH_INVALID_TOKEN'));
    assert.deepEqual([answered, await told()], [[], []]);
  });

  for (const [who, change] of [
    ['a user who is not configured', { user: { id: 'U0EVE', team_id: 'T0A' } }],
    ['a guest from another workspace with the same user id', { user: { id: 'U0OLGA', team_id: 'T0B' } }],
    ['another workspace', { team: { id: 'T0B' } }],
  ] as const) {
    it(`of ${who} does not count, and only they are told`, async () => {
      await interactions.handle(click(change));
      assert.deepEqual(answered, []);
      assert.match((await told()).join(), /^chat\.postEphemeral U0\w+ You cannot answer from Slack/);
    });
  }

  for (const [what, change] of [
    ['of another message', { container: { channel_id: 'C0A', message_ts: '1700000099.000100' } }],
    ['of another conversation', { container: { channel_id: 'C0B', message_ts: '1700000000.000100' } }],
    ['for a thing that nothing was sent about', { actions: [{ action_id: 'sallyport.approve', value: thingId('b') }] }],
  ] as const) {
    it(`on a button ${what} does not count`, async () => {
      await interactions.handle(click(change));
      assert.deepEqual(answered, []);
      assert.match((await told()).join(), /not the current one/);
    });
  }

  it('that the desk refuses is told in fixed words', async () => {
    refusal = new SallyportError('SP_API_FORBIDDEN', 'secret detail: the requester does not answer their own request');
    await interactions.handle(click());
    assert.match((await told()).join(), /Not counted: your roles do not allow this/);
    assert.ok(!JSON.stringify([slack.calls, logger.lines]).includes('secret detail'));
  });

  it('fails visibly when the desk has a fault that is not ours', async () => {
    refusal = new Error('boom');
    await assert.rejects(interactions.handle(click()), /boom/);
  });

  it('that opens the link changes nothing', async () => {
    await interactions.handle(click({ actions: [{ action_id: 'sallyport.open' }] }));
    assert.deepEqual([answered, await told()], [[], []]);
  });

  it('that is not understood is refused, without repeating it', async () => {
    for (const body of [
      '',
      'payload=',
      'payload={}',
      'payload=[1]',
      `${form(payload())}&payload={}`,
      form(payload({ type: 'view_submission' })),
      form(payload({ actions: [] })),
      form(payload({ actions: [payload().actions[0], payload().actions[0]] })),
      form(payload({ actions: [{ action_id: 'other.app', value: thingId('a') }] })),
      form(payload({ actions: [{ action_id: 'sallyport.approve' }] })),
      form(payload({ actions: [{ action_id: 'sallyport.approve', value: `${thingId('a')}\n` }] })),
      form(payload({ actions: [{ action_id: 'sallyport.approve', value: '../../x' }] })),
      form({ canary: 'canary-4711' }),
    ]) {
      await assert.rejects(interactions.handle(signed(body)), (fault) => {
        assert.ok(code('SP_API_BAD_REQUEST')(fault), body);
        assert.ok(!(fault as Error).message.includes('canary'));
        return true;
      });
    }
    const notText = { ...signed(''), body: Uint8Array.from([0xff, 0xfe]) };
    const signature = slackSignature(SECRET, notText.timestamp, notText.body);
    await assert.rejects(interactions.handle({ ...notText, signature }), code('SP_API_BAD_REQUEST'));
    assert.deepEqual(answered, []);
  });

  it('goes nowhere that the payload names: the response URL is not called', async () => {
    refusal = new SallyportError('SP_APPROVAL_CONFLICT', 'x');
    await interactions.handle(click({ response_url: `${slack.http.url}/stolen` }));
    await told();
    assert.deepEqual(
      slack.http.received.map(({ path }) => path).filter((path) => path !== '/api/chat.postEphemeral'),
      [],
    );
  });

  it('counts although Slack cannot be told what became of it', async () => {
    slack.failWith('chat.postEphemeral', 'user_not_in_channel');
    await interactions.handle(click({ user: { id: 'U0EVE', team_id: 'T0A' } }));
    await interactions.settled();
    slack.failWith('chat.postEphemeral', null);
    assert.ok(logger.lines.some(({ fields }) => fields['fault'] === 'slack-user_not_in_channel'));
  });
});
