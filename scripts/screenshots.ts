// Pictures of every page of the console, of a real gateway with traffic: to look at, and four of them for the README.

import { mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type pg from 'pg';
import type { Page } from 'playwright-core';
import { buildConsole } from '../console/build.ts';
import { DEV_CONSOLE_CLIENT_ID, type Persona, startDevProvider } from '../src/demo/oidc-provider.ts';
import { DESK, PHONE, startChromium } from '../test/support/chromium.ts';
import { startTestGateway } from '../test/support/gateway.ts';
import { connect, smallClinicPolicy, startSmallClinic } from '../test/support/small-clinic.ts';
import { readCommandLine } from './command-line.ts';

const root = join(import.meta.dirname, '..');
const { values } = readCommandLine(
  `usage: node scripts/screenshots.ts [--out FOLDER] [--readme]

Starts a gateway with a made-up clinic on loopback, lets agents ask it things, and takes a picture of every page of the console at the width
of a desk and of a phone, light and dark.

  --out FOLDER  where to (default: screenshots)
  --readme      only the four of the README, into docs/images
`,
  { options: { out: { type: 'string', default: 'screenshots' }, readme: { type: 'boolean', default: false } } },
);

const audience = 'https://sallyport.example';
const personas: readonly Persona[] = [
  { name: 'triage-agent', displayName: 'Triage agent', kind: 'agent', groups: ['ai-agents'] },
  { name: 'recall-agent', displayName: 'Recall agent', kind: 'agent', groups: ['ai-agents'] },
  { name: 'billing-agent', displayName: 'Billing agent', kind: 'agent', groups: ['clerks'] },
  { name: 'olga', displayName: 'Olga Officer', kind: 'person', groups: ['privacy'] },
];
const policy = smallClinicPolicy.replace(
  'rules:\n',
  `rules:
  - name: visits-deleted
    when: "request.writtenRelations.exists(r, r == 'public.visits')"
    then: hold
    approvers: { role: officer, count: 1 }
    within: 15m
    say: A privacy officer looks at changes of visits.
`,
);

const undo: (() => Promise<unknown>)[] = [];
try {
  await buildConsole(join(root, 'dist', 'console'));
  const clinic = await startSmallClinic();
  undo.push(() => clinic.stop());
  const identities = await startDevProvider({ port: 0, audience, personas });
  undo.push(() => identities.close());
  const gateway = await startTestGateway({
    targets: [{ ...clinic.target, approvalPreview: 'run' }],
    policy,
    identity: { issuer: identities.issuer, audience, console: { clientId: DEV_CONSOLE_CLIENT_ID, label: 'Clinic' } },
    ports: {
      personas: personas
        .filter(({ kind }) => kind === 'person')
        .map(({ name, displayName, groups }) => ({ provider: 'corp', name, displayName, groups })),
    },
  });
  undo.push(() => gateway.close());
  const client = async (name: string): Promise<pg.Client> => {
    const connected = await connect(gateway, gateway.port, await identities.tokenFor(name));
    connected.on('error', () => undefined);
    undo.push(() => connected.end());
    return connected;
  };
  /** Waits for an answer that nobody gives. */
  const hold = async (name: string, sql: string): Promise<void> => void (await client(name)).query(sql).catch(() => undefined);

  const triage = await client('triage-agent');
  for (let patient = 1; patient <= 24; patient += 1) {
    await triage.query('SELECT id, name, ssn, dob FROM patients WHERE id = $1', [patient]);
    if (patient % 3 === 0) await triage.query('SELECT ward, count(*) FROM patients GROUP BY ward');
  }
  const recall = await client('recall-agent');
  const joined = 'SELECT p.name, lower(p.ssn) AS key, v.kind FROM patients p JOIN visits v ON v.patient_id = p.id WHERE p.id < 9 LIMIT 20';
  for (let times = 0; times < 8; times += 1) await recall.query(joined);
  await recall.query('DROP TABLE patients').catch(() => undefined);
  const billing = await client('billing-agent');
  await billing.query("INSERT INTO scratch (body) VALUES ('note')");
  await hold('triage-agent', 'SELECT id, name, ssn, dob FROM patients');
  await hold('billing-agent', 'DELETE FROM visits WHERE patient_id = 17');
  await hold('billing-agent', "INSERT INTO ledger (body) VALUES ('refund')");
  await hold(
    'recall-agent',
    'SELECT p.name, v.last FROM patients p JOIN (SELECT patient_id, max(at) AS last FROM visits GROUP BY 1) v ON v.patient_id = p.id',
  );

  const browser = await startChromium();
  undo.push(() => browser.close());
  const folder = values.readme ? join(root, 'docs/images') : resolve(values.out);
  mkdirSync(folder, { recursive: true });
  const wait = 1800;
  const loggedIn = async (viewport: { width: number; height: number }, colorScheme: 'light' | 'dark'): Promise<Page> => {
    const context = await browser.newContext({
      viewport,
      colorScheme,
      ignoreHTTPSErrors: true,
      deviceScaleFactor: values.readme ? 1.5 : 1,
    });
    const page = await context.newPage();
    await page.goto(`${gateway.running.api.url}/console/login?provider=corp&hint=olga`);
    await page.getByRole('heading', { name: 'Approvals' }).waitFor();
    return page;
  };
  const shoot = async (page: Page, path: string, name: string): Promise<void> => {
    await page.goto(`${gateway.running.api.url}/console${path}`);
    await page.waitForTimeout(wait);
    await page.screenshot({ path: join(folder, `${name}.png`) });
    process.stdout.write(`${name}.png\n`);
  };
  const first = await loggedIn(DESK, 'light');
  const idsOf = (kind: string, list: string): Promise<string[]> =>
    first.evaluate(
      async ([path = '', key = '']) => {
        const answer = await fetch(path, { headers: { 'sallyport-console': '1' } });
        return ((await answer.json()) as Record<string, { id: string }[]>)[key]?.map(({ id }) => id) ?? [];
      },
      [list, kind],
    );
  const approvals = await idsOf('approvals', '/v1/approvals?state=pending');
  const sessions = await idsOf('sessions', '/v1/sessions?principal=recall-agent&class=phi.ssn');
  // The oldest is the deletion's neighbour: what is held longest comes first.
  const approval = `/approvals/${approvals.at(-2) ?? ''}`;
  const session = `/sessions/${sessions.at(-1) ?? ''}`;
  if (values.readme) {
    await shoot(first, approval, 'console-approval');
    await shoot(first, '/overview?hours=1', 'console-overview');
    await shoot(await loggedIn(DESK, 'dark'), session, 'console-session');
    await shoot(await loggedIn(PHONE, 'light'), approval, 'console-phone');
  } else {
    const pages = [
      ['/approvals', 'approvals'],
      [approval, 'approval'],
      ['/sessions', 'sessions'],
      [session, 'session'],
      ['/overview?hours=1', 'overview'],
      ['/targets', 'targets'],
      ['/targets/clinic', 'target'],
      ['/targets/clinic/classes', 'target-classes'],
      ['/targets/clinic/proposals', 'target-proposals'],
      ['/policy/explain', 'policy-explain'],
      ['/policy/matrix', 'policy-matrix'],
      ['/policy/try', 'policy-try'],
      ['/policy/history', 'policy-history'],
      ['/evidence', 'evidence'],
      ['/log', 'log'],
      ['/log/20', 'log-entry'],
    ] as const;
    for (const [size, viewport] of [['desk', DESK] as const, ['phone', PHONE] as const]) {
      for (const colours of ['light', 'dark'] as const) {
        const page = await loggedIn(viewport, colours);
        for (const [path, name] of pages) await shoot(page, path, `${name}-${size}-${colours}`);
        await page.context().close();
      }
    }
  }
} finally {
  for (const close of undo.toReversed()) await close().catch(() => undefined);
}
