// Notifications of a whole gateway: a statement is held, people are told, somebody clicks in Slack, the statement runs. Slack and
// the webhook's receiver are local doubles that check what they are sent.
// Threats: a protected value leaves in a notification; an endpoint that is down, slow or hostile holds up a statement; a secret of a
// channel can be read somewhere; somebody answers who may not.

import assert from 'node:assert/strict';
import { createHmac, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { join } from 'node:path';
import { test } from 'node:test';
import type pg from 'pg';
import type { Logger } from '../../src/core/ports.ts';
import { clerkOf, clinicTests, entriesOf, officerOf } from '../support/clinic-tests.ts';
import type { TestGateway } from '../support/gateway.ts';
import { type HttpDouble, startHttpDouble } from '../support/http-double.ts';
import { type SlackDouble, startSlackDouble } from '../support/slack-double.ts';
import { apiEnvironment, callApi, connect, sallyport, until } from '../support/small-clinic.ts';

const tests = clinicTests();
const { gatewayOf, open } = tests;

const TOKEN = `xoxb-${randomBytes(16).toString('hex')}`;
const SIGNING = randomBytes(16).toString('hex');
const WEBHOOK_KEY = randomBytes(32);
const WEBHOOK_SECRET = `whsec_${WEBHOOK_KEY.toString('base64')}`;

interface World {
  readonly gateway: TestGateway;
  readonly slack: SlackDouble;
  readonly siem: HttpDouble;
  readonly log: string[];
}

/** A gateway that tells Slack (where olivia may click) and a webhook. */
async function told(): Promise<World> {
  const slack = await startSlackDouble(TOKEN);
  open.push(slack);
  const siem = await startHttpDouble();
  open.push(siem);
  const log: string[] = [];
  const line = (fields: object, message: string): void => void log.push(`${JSON.stringify(fields)} ${message}`);
  const logger: Logger = { info: line, warn: line, error: line };
  const gateway = await gatewayOf({ start: false, ports: { logger } });
  const config = JSON.parse(readFileSync(gateway.configFile, 'utf8')) as Record<string, any>;
  const secret = (name: string, value: string): { file: string } => {
    writeFileSync(join(gateway.directory, 'keys', name), value, { mode: 0o600 });
    return { file: `keys/${name}` };
  };
  const people = [
    { user: 'U0OLIVIA', issuer: 'corp', subject: 'olivia', groups: ['privacy'] },
    // Configured, but the policy gives the group no role that answers.
    { user: 'U0CLERK', issuer: 'corp', subject: 'clerk-2', groups: ['clerks'] },
    // The one who asks, with the group of those who answer.
    { user: 'U0SELF', issuer: 'corp', subject: 'clerk-1', groups: ['privacy'] },
  ];
  config['api'].publicUrl = 'https://gate.example.com/';
  config['notifications'] = [
    {
      name: 'reviewers',
      kind: 'slack',
      url: slack.url,
      insecure: true,
      channel: 'C0REVIEW',
      roles: ['officer'],
      token: secret('slack', TOKEN),
      answers: { signingSecret: secret('signing', SIGNING), team: 'T0CORP', people },
    },
    { name: 'siem', kind: 'webhook', url: `${siem.url}/hook`, insecure: true, secret: secret('hook', WEBHOOK_SECRET) },
  ];
  writeFileSync(gateway.configFile, JSON.stringify(config));
  await gateway.restart();
  return { gateway, slack, siem, log };
}

async function held(
  gateway: TestGateway,
  sql: string,
  values: unknown[] = [],
): Promise<{ id: string; answer: Promise<unknown>; client: pg.Client }> {
  const client = await connect(gateway, gateway.port, await clerkOf(gateway));
  open.push({ close: () => client.end().catch(() => undefined) as Promise<void> });
  const noticed = once(client, 'notice') as Promise<[{ message: string }]>;
  const answer = client.query(sql, values).then(
    (result) => result,
    (fault: unknown) => fault,
  );
  const [{ message }] = await noticed;
  return { id: /(apr_[a-z2-7]{26})/.exec(message)?.[1] ?? assert.fail(message), answer, client };
}

/** What Slack sends when somebody clicks a button of the newest message about the approval. */
async function click(
  world: World,
  id: string,
  user: string,
  action = 'sallyport.approve',
  change: { secret?: string; offsetS?: number } = {},
) {
  const post = await until('the message was posted', () =>
    world.slack.calls.findLast(({ method, body }) => method === 'chat.postMessage' && JSON.stringify(body['blocks'] ?? '').includes(id)),
  );
  const ts = `${1_700_000_000 + world.slack.calls.filter(({ method }) => method === 'chat.postMessage').indexOf(post)}.000100`;
  const payload = {
    type: 'block_actions',
    user: { id: user, team_id: 'T0CORP' },
    team: { id: 'T0CORP' },
    container: { type: 'message', channel_id: 'C0REVIEW', message_ts: ts },
    trigger_id: randomBytes(4).toString('hex'),
    actions: [{ type: 'button', action_id: action, value: id }],
  };
  const body = new URLSearchParams({ payload: JSON.stringify(payload) }).toString();
  const timestamp = String(Math.floor(Date.now() / 1000) + (change.offsetS ?? 0));
  const signature = createHmac('sha256', change.secret ?? SIGNING)
    .update(`v0:${timestamp}:${body}`)
    .digest('hex');
  const send = (): Promise<number> =>
    sendForm(world.gateway, '/v1/notifications/channels/reviewers/slack', body, timestamp, `v0=${signature}`);
  return { status: await send(), again: send };
}

function sendForm(gateway: TestGateway, path: string, body: string, timestamp: string, signature: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const headers = {
      'content-type': 'application/x-www-form-urlencoded',
      'x-slack-request-timestamp': timestamp,
      'x-slack-signature': signature,
    };
    const { port } = gateway.running.api;
    const call = request({ host: '127.0.0.1', servername: 'localhost', port, path, method: 'POST', headers, ca: gateway.ca, agent: false });
    call.once('response', (response) => {
      response.resume();
      response.once('end', () => resolve(response.statusCode ?? 0));
    });
    call.once('error', reject);
    call.end(body);
  });
}

const events = ({ siem }: World) =>
  siem.received.map(({ body }) => JSON.parse(body) as { type: string; data: { id: string; title: string } });

test('a held statement is told in Slack and by webhook, a click lets it run, and everybody hears of it', async () => {
  const world = await told();
  const { gateway, slack, siem } = world;
  const { id, answer } = await held(gateway, 'SELECT name, ssn FROM patients');
  const clicked = await click(world, id, 'U0OLIVIA');
  assert.equal(clicked.status, 200);
  const result = (await answer) as pg.QueryResult;
  assert.equal(result.rows?.length, 200);
  await until('all was told', () => events(world).length >= 3 && slack.calls.some(({ method }) => method === 'chat.update'));
  assert.deepEqual(
    events(world).map(({ type, data }) => [type, data.id]),
    [
      ['approval.requested', id],
      ['approval.answered', id],
      ['approval.used', id],
    ],
  );
  assert.deepEqual(slack.faults, []);
  const update = slack.calls.find(({ method }) => method === 'chat.update');
  assert.ok(!JSON.stringify(update?.body).includes('sallyport.approve'), 'nobody can click any more');
  const entry = (await entriesOf(gateway)).find(({ type }) => type === 'approval.answered');
  assert.deepEqual(entry?.answer, { by: { issuer: 'corp', subject: 'olivia', kind: 'person' }, verdict: 'approve' });
  assert.equal(entry?.detail?.['via'], 'slack');
  // Replayed, it is not even looked at.
  assert.equal(await clicked.again(), 401);
  const [{ headers, body } = assert.fail()] = siem.received;
  const signed = `${String(headers['webhook-id'])}.${String(headers['webhook-timestamp'])}.${body}`;
  assert.equal(headers['webhook-signature'], `v1,${createHmac('sha256', WEBHOOK_KEY).update(signed).digest('base64')}`);
  assert.match(body, new RegExp(`"link":"https://gate\\.example\\.com/v1/approvals/${id}"`));
});

test('no protected value, literal, parameter, alias or comment is in anything that is sent, logged or queued', async () => {
  const world = await told();
  const { gateway, slack, siem, log } = world;
  const canary = (what: string): string => `canary${what}${randomBytes(6).toString('hex')}`;
  const canaries = Object.fromEntries(
    ['literal', 'parameter', 'alias', 'comment', 'dollar', 'application'].map((what) => [what, canary(what)]),
  );
  const sql = `/* ${canaries['comment']} */ SELECT ssn, name AS "${canaries['alias']}", '${canaries['literal']}'::text, $$${canaries['dollar']}$$::text, $1::text FROM patients WHERE ward = 970 -- ${canaries['comment']}`;
  const { id, answer } = await held(gateway, sql, [canaries['parameter']]);
  assert.equal((await click(world, id, 'U0OLIVIA', 'sallyport.deny')).status, 200);
  await answer;
  await until('all was told', () => events(world).length >= 2 && slack.calls.some(({ method }) => method === 'chat.update'));
  const { text: api } = await callApi(gateway, gateway.running.api.port, await officerOf(gateway), '/v1/notifications');
  await gateway.running.stop();
  const state = readdirSync(join(gateway.directory, 'data', 'state')).map((name) =>
    readFileSync(join(gateway.directory, 'data', 'state', name), 'latin1'),
  );
  const seen = {
    slack: JSON.stringify(slack.http.received),
    siem: JSON.stringify(siem.received),
    log: log.join('\n'),
    api,
    state: state.join('\n'),
  };
  assert.match(seen.siem, /public\.patients/, 'the facts are told');
  for (const [where, text] of Object.entries(seen)) {
    for (const [what, value] of Object.entries(canaries)) assert.ok(!text.includes(value), `${what} is in ${where}`);
    assert.doesNotMatch(text, /970-00-|Nathalie/, `a value of the table is in ${where}`);
    if (where === 'slack') continue;
    for (const [what, value] of Object.entries({ TOKEN, SIGNING, WEBHOOK_SECRET, key: WEBHOOK_KEY.toString('base64') })) {
      assert.ok(!text.includes(value), `${what} is in ${where}`);
    }
  }
});

test('a click counts only for a person with the role, who did not ask, with a fresh signature of Slack', async () => {
  const world = await told();
  const { gateway, slack } = world;
  const { id } = await held(gateway, 'SELECT name FROM patients');
  for (const [user, words] of [
    ['U0EVE', /cannot answer from Slack/],
    ['U0CLERK', /roles do not allow/],
    ['U0SELF', /roles do not allow/],
  ] as const) {
    const before = slack.calls.length;
    assert.equal((await click(world, id, user)).status, 200);
    const reply = await until(`${user} was told`, () => slack.calls.slice(before).find(({ method }) => method === 'chat.postEphemeral'));
    assert.deepEqual([reply.body['user'], words.test(reply.body['text'])], [user, true]);
  }
  assert.equal((await click(world, id, 'U0OLIVIA', 'sallyport.approve', { secret: 'guessed' })).status, 401);
  assert.equal((await click(world, id, 'U0OLIVIA', 'sallyport.approve', { offsetS: -400 })).status, 401);
  const { text } = await callApi(gateway, gateway.running.api.port, await officerOf(gateway), `/v1/approvals/${id}`);
  assert.equal((JSON.parse(text) as { state: string }).state, 'pending');
  assert.ok(!(await entriesOf(gateway)).some(({ type }) => type === 'approval.answered'));
});

test('endpoints that are down or hang hold up nobody; what they missed is told after a restart', async () => {
  const world = await told();
  const { gateway, slack, siem } = world;
  const answerSlack = slack.http.answer;
  slack.http.answer = () => undefined;
  siem.answer = (_received, response) => response.writeHead(500).end('a long story about 970-00-0001');
  const officer = await officerOf(gateway);
  const { id, answer } = await held(gateway, 'SELECT name FROM patients');
  const { status } = await callApi(gateway, gateway.running.api.port, officer, `/v1/approvals/${id}/answer`, { verdict: 'approve' });
  assert.equal(status, 200);
  assert.equal(((await answer) as pg.QueryResult).rows?.length, 200, 'Slack has not answered yet');
  await siem.until(1);
  await gateway.running.stop();
  assert.ok(!world.log.join('\n').includes('970-00'), 'what an endpoint says is not repeated');
  slack.http.answer = answerSlack;
  siem.answer = (_received, response) => void response.end();
  siem.received.length = 0;
  await gateway.restart();
  await until('the webhook has everything', () => events(world).length >= 3);
  assert.deepEqual(
    events(world).map(({ type }) => type),
    ['approval.requested', 'approval.answered', 'approval.used'],
  );
  // Nobody has to answer any more: people hear only what became of it.
  const titles = await until('Slack has the outcome', () => {
    const posted = slack.calls.filter(({ method, body }) => method === 'chat.postMessage' && body['blocks'] !== undefined);
    return posted.length > 0 && posted.map(({ body }) => body['blocks'][0].text.text as string);
  });
  assert.deepEqual(titles, ['clinic: approved']);
});

test('operators see the queue and try a channel; metrics count', async () => {
  const world = await told();
  const { gateway, siem } = world;
  const officer = await officerOf(gateway);
  const env = apiEnvironment(gateway, gateway.running.api.port, officer);
  const command = async (...args: string[]) => {
    const running = sallyport(args, env);
    running.end();
    return running.ended;
  };
  const good = await command('notifications', 'test', 'reviewers');
  assert.deepEqual([good.code, good.out], [0, 'reviewers: delivered\n'], good.err);
  siem.answer = (_received, response) => response.writeHead(302, { location: 'http://169.254.169.254/' }).end();
  const bad = await command('notifications', 'test', 'siem');
  assert.deepEqual([bad.code, bad.out], [1, 'siem: not delivered: status-302\n'], bad.err);
  const { id } = await held(gateway, 'SELECT name FROM patients');
  await until('both were tried', async () => {
    const { out } = await command('notifications', 'ls', '--json');
    const { notifications } = JSON.parse(out) as { notifications: { about: string; state: string; attempts: number }[] };
    const about = notifications.filter((row) => row.about === id);
    return about.some(({ state }) => state === 'sent') && about.some(({ state, attempts }) => state === 'queued' && attempts > 0);
  });
  const { text } = await callApi(gateway, gateway.running.api.port, null, '/metrics');
  assert.match(text, /sallyport_notifications_total\{channel="reviewers",outcome="sent"\} 1/);
  assert.match(text, /sallyport_notifications_total\{channel="siem",outcome="retried"\} [1-9]/);
  assert.match(text, /sallyport_notifications_queued\{channel="siem"\} 1/);
  const clerk = await clerkOf(gateway);
  assert.equal((await callApi(gateway, gateway.running.api.port, clerk, '/v1/notifications')).status, 403);
});
