// `notifications:` of sallyport.yaml: what refuses to start, and that no secret is in the reason.

import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { inspect } from 'node:util';
import { Registry } from 'prom-client';
import { startSlackDouble } from '../../test/support/slack-double.ts';
import { SallyportError } from '../core/error.ts';
import type { Principal } from '../core/identity.ts';
import { Secret } from '../core/secret.ts';
import { openStore } from '../store/index.ts';
import { createLogger, systemClock, systemRandom } from './ports.ts';
import { configSchema } from './config-schema.ts';
import { loadConfig } from './config.ts';
import { createGatewayNotifications, readChannels } from './notifications.ts';

const folder = mkdtempSync(join(tmpdir(), 'sallyport-notifications-'));
after(() => rmSync(folder, { recursive: true, force: true }));

const base = {
  version: 1,
  dataDirectory: './data',
  listeners: [{ protocol: 'postgres', address: '127.0.0.1:0', insecure: true }],
  api: { address: '127.0.0.1:0', insecure: true },
  identity: { providers: [{ name: 'corp', issuer: 'https://idp.example.com', audience: 'sallyport' }] },
  targets: [{ name: 'clinic', protocol: 'postgres', address: 'db:5432', database: 'd', user: 'u', password: { env: 'P' } }],
  policy: { files: ['policy.yaml'] },
  audit: { origin: 'audit.example.com/main', signingKey: { env: 'K' }, recipients: [`age1${'q'.repeat(58)}`] },
  tokenKey: { env: 'T' },
};
const person = { user: 'U0OLGA', issuer: 'corp', subject: 'olga', groups: ['privacy'] };
const answers = { signingSecret: { env: 'SIGNING' }, team: 'T0A', people: [person] };
const slack = { name: 'reviewers', kind: 'slack', channel: 'C0A', token: { env: 'SLACK' }, answers };
const teams = { name: 'teams', kind: 'teams', url: { env: 'TEAMS' } };
const webhook = { name: 'siem', kind: 'webhook', url: 'https://siem.example.com/hook', secret: { env: 'HOOK' } };

const secrets: Record<string, string> = {
  SLACK: 'xoxb-very-secret',
  SIGNING: 'signing-secret',
  TEAMS: 'https://prod.example.com/workflows/1?sig=very-secret',
  HOOK: `whsec_${Buffer.alloc(32, 1).toString('base64')}`,
};

function faultsOf(...notifications: object[]): string {
  const { error } = configSchema.safeParse({ ...base, notifications });
  return (error?.issues ?? []).map(({ path, message }) => `${path.join('.')}: ${message}`).join('\n');
}

async function read(notifications: object[], change: Record<string, string> = {}) {
  const file = join(folder, 'sallyport.yaml');
  writeFileSync(file, JSON.stringify({ ...base, notifications }));
  return readChannels(await loadConfig(file), {
    secret: async (source) => new Secret({ ...secrets, ...change }['env' in source ? source.env : ''] ?? ''),
    knownRoles: ['officer'],
    clock: systemClock,
  });
}

describe('notifications in sallyport.yaml', () => {
  it('are ready to be used, with safe defaults', async () => {
    const channels = await read([slack, teams, { ...webhook, roles: ['officer'], events: ['approval.requested'] }]);
    assert.deepEqual(
      channels.map(({ channel: { name, kind, events, roles, giveUpAfterMs }, slack }) => [
        name,
        kind,
        events,
        roles,
        giveUpAfterMs,
        slack !== null,
      ]),
      [
        ['reviewers', 'slack', null, null, 86_400_000, true],
        ['teams', 'teams', null, null, 86_400_000, false],
        ['siem', 'webhook', ['approval.requested'], ['officer'], 86_400_000, false],
      ],
    );
    const settings = channels[0]?.slack;
    assert.equal(settings?.url.href, 'https://slack.com/api/');
    assert.deepEqual(settings?.rules, { allowPrivate: false, insecure: false, ca: null });
    assert.deepEqual(settings?.answers.people, [person]);
    const { answers: _none, ...silent } = slack;
    assert.equal((await read([silent]))[0]?.slack, null);
  });

  it('never print a secret', async () => {
    assert.doesNotMatch(inspect(await read([slack, teams, webhook]), { depth: 10, showHidden: true }), /very-secret|signing-secret|AQEBAQ/);
  });

  for (const [what, channel, fault] of [
    ['plain http', { ...webhook, url: 'http://siem.example.com/' }, /url: it is not https/],
    ['plain http off this machine', { ...webhook, url: 'http://siem.example.com/', insecure: true }, /loopback only/],
    ['a URL with credentials', { ...webhook, url: 'https://u:p@siem.example.com/' }, /credentials/],
    ['a URL of another scheme', { ...webhook, url: 'file:///etc/passwd' }, /url/],
    ['a secret in the file', { ...webhook, secret: 'whsec_abc' }, /a secret is never written here/],
    ['an unknown event', { ...webhook, events: ['approval.answred'] }, /events/],
    ['the event of tests', { ...webhook, events: ['test'] }, /events/],
    ['an unknown key', { ...webhook, retries: 3 }, /retries/],
    ['an unknown kind', { ...webhook, kind: 'pager' }, /kind/],
    ['a channel of Slack by name', { ...slack, channel: '#reviewers' }, /id of a Slack conversation/],
    ['buttons without people', { ...slack, answers: { ...answers, people: [] } }, /people/],
    [
      'a person of an unknown issuer',
      { ...slack, answers: { ...answers, people: [{ ...person, issuer: 'corq' }] } },
      /no identity provider is called corq/,
    ],
    ['a person without groups', { ...slack, answers: { ...answers, people: [{ ...person, groups: [] }] } }, /groups/],
    [
      'the same Slack user twice',
      { ...slack, answers: { ...answers, people: [person, { ...person, subject: 'eve' }] } },
      /U0OLGA is listed twice/,
    ],
    [
      'mail without TLS',
      { name: 'm', kind: 'email', from: 'a@b.c', to: ['a@b.c'], host: 'mail.example.com', insecure: true },
      /not loopback/,
    ],
    [
      'a mail address with another header in it',
      { name: 'm', kind: 'email', from: 'a@b.c', to: ['a@b.c\nBcc: x@y.z'], host: 'h' },
      /e-mail address/,
    ],
  ] as const) {
    it(`refuse ${what}`, () => assert.match(faultsOf(channel), fault));
  }

  it('refuse two channels of one name', () => assert.match(faultsOf(webhook, { ...slack, name: 'siem' }), /siem is defined twice/));

  for (const [what, channel, change, fault] of [
    ['a role that the policy does not have', { ...webhook, roles: ['officr'] }, {}, /siem: the policy has no role officr/],
    ['a signing secret that is none', webhook, { HOOK: 'very-secret' }, /siem: secret: expected whsec_<base64/],
    ['a token that breaks a header', slack, { SLACK: 'xoxb-very-secret\r\nx: y' }, /token/],
    ['a Teams URL that is none', teams, { TEAMS: 'very-secret' }, /it is not a URL/],
    ['a Teams URL without TLS', teams, { TEAMS: 'http://prod.example.com/very-secret' }, /not https/],
    ['a CA that is not there', { ...webhook, ca: 'none.pem' }, {}, /ca: .*none\.pem cannot be read/],
    ['a CA that is none', { ...webhook, ca: 'sallyport.yaml' }, {}, /not a PEM certificate/],
  ] as const) {
    it(`refuse ${what}, without the secret in the reason`, async () => {
      await assert.rejects(read([channel], change), (error) => {
        assert.ok(error instanceof SallyportError && error.code === 'SP_CONFIG_INVALID');
        assert.match(error.message, fault);
        assert.doesNotMatch(inspect(error, { depth: 10 }), /very-secret/);
        return true;
      });
    });
  }
});

describe('clicks of a composed gateway', () => {
  it('go to approvals or grants by their id, and the queue is counted also while the store is broken', async () => {
    const slackDouble = await startSlackDouble('xoxb-very-secret');
    const store = await openStore({ dir: join(folder, 'state') });
    const answered: string[] = [];
    const answering = (what: string) => ({
      async answer(id: string, { subject }: Principal, verdict: string, ...more: readonly unknown[]) {
        answered.push(`${what} ${id.slice(0, 4)} ${subject} ${verdict} via ${String(more.at(-1))}`);
        return {} as never;
      },
    });
    const registry = new Registry();
    const gateway = createGatewayNotifications(
      {
        channels: await read([{ ...slack, url: slackDouble.url, insecure: true }]),
        publicUrl: 'https://gate.example.com/',
        queue: store.notifications,
        approvals: { ...answering('approvals'), show: async () => null, subscribe: () => () => undefined },
        grants: answering('grants'),
        clock: systemClock,
        random: systemRandom,
        logger: createLogger('silent'),
      },
      registry,
    );
    try {
      for (const [at, kind] of (['apr', 'grt', 'odd'] as const).entries()) {
        const id = `${kind}_${'a'.repeat(26)}`;
        const notice = {
          kind: 'grant.requested',
          id,
          event: 'e',
          title: 't',
          facts: [],
          link: '/v1/x',
          actions: ['approve'],
          who: null,
        } as const;
        gateway.service.notify(notice);
        // Its reference is kept when it counts as sent.
        while ((await store.notifications.reference('reviewers', id)) === null) await nextTurn();
        const { channel, ts } = JSON.parse((await store.notifications.reference('reviewers', id)) ?? '') as { channel: string; ts: string };
        const payload = {
          type: 'block_actions',
          user: { id: 'U0OLGA', team_id: 'T0A' },
          team: { id: 'T0A' },
          container: { channel_id: channel, message_ts: ts },
          actions: [{ action_id: 'sallyport.approve', value: id }],
        };
        const body = Buffer.from(new URLSearchParams({ payload: JSON.stringify(payload) }).toString());
        const timestamp = String(Math.floor(Date.now() / 1000));
        const hmac = createHmac('sha256', 'signing-secret').update(`v0:${timestamp}:`).update(body).digest('hex');
        await gateway.surface.slack('reviewers', { timestamp, signature: `v0=${hmac}`, body });
        assert.equal(answered.length, Math.min(at + 1, 2));
      }
      assert.deepEqual(answered, ['approvals apr_ olga approve via slack', 'grants grt_ olga approve via slack']);
      assert.match(JSON.stringify(slackDouble.calls[0]?.body['blocks']), /https:\/\/gate\.example\.com\/v1\/x/);
      assert.match(await registry.metrics(), /sallyport_notifications_queued\{channel="reviewers"\} 0/);
    } finally {
      await gateway.stop();
      await store.close();
      await slackDouble.close();
    }
    assert.match(await registry.metrics(), /sallyport_notifications_total\{channel="reviewers",outcome="sent"\} 3/);
  });
});
