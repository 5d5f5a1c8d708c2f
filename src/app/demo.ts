// `sallyport demo`: an embedded PostgreSQL with a synthetic clinic, a development identity provider and this gateway, all
// on loopback; then one agent session, played and checked. Everything it starts ends with it.

import { cp, mkdir, mkdtemp, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pc from 'picocolors';
import pg from 'pg';
import { createLogKey, createSealingIdentity, unseal, verifyLog } from '../audit/index.ts';
import { type CliIo, processIo, runCli } from '../cli/index.ts';
import { clinicIndexSql, clinicLoadSql, clinicSchemaSql } from '../demo/clinic.ts';
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../demo/embedded-postgres.ts';
import { DEV_CONSOLE_CLIENT_ID, type DevProvider, type Persona, startDevProvider } from '../demo/oidc-provider.ts';
import { type DemoApi, play } from '../demo/play.ts';
import { Stage } from '../demo/stage.ts';
import { createAuthority, issueServerCertificate } from './certificates.ts';
import { type RunningGateway, startGateway } from './compose.ts';
import { loadConfig } from './config.ts';
import { environment } from './environment.ts';
import { demoConfig, demoOrigin, demoPolicy } from './demo-files.ts';
import { evidenceTools } from './evidence-tools.ts';
import { createLogger, systemClock, systemRandom } from './ports.ts';
import { untilSignal } from './serve.ts';

export interface DemoOptions {
  /** null = a new temporary directory. */
  readonly directory: string | null;
  /** 0 = any free port. */
  readonly postgresPort: number;
  readonly apiPort: number;
  /** True = play, then exit; non-zero when a step did not hold. */
  readonly once: boolean;
  readonly write: (text: string) => void;
}

const audience = 'https://sallyport.local';

const personas: readonly Persona[] = [
  { name: 'reporting-agent', displayName: 'Reporting agent', kind: 'agent', groups: ['ai-agents'] },
  { name: 'research-agent', displayName: 'Research agent', kind: 'agent', groups: ['ai-agents'] },
  { name: 'privacy-officer', displayName: 'Priya Officer', kind: 'person', groups: ['privacy'] },
  { name: 'operator', displayName: 'Omar Operator', kind: 'person', groups: ['operations'] },
  { name: 'auditor', displayName: 'Ada Auditor', kind: 'person', groups: ['audit'] },
  { name: 'clinician', displayName: 'Clara Clinician', kind: 'person', groups: ['clinicians'] },
];
/** Name of the development identity provider in the demo's files. */
const providerName = 'demo';
const people = personas.filter(({ kind }) => kind === 'person');

/** Runs the demo until a signal, or until it was played when `once`.
 *  @returns the number of steps that did not hold */
export async function demo(options: DemoOptions): Promise<number> {
  const { write } = options;
  const undo: (() => Promise<unknown>)[] = [];
  try {
    const running = await start(options, undo);
    const stage = new Stage(write);
    const failures = await play({
      gateway: { host: '127.0.0.1', port: running.postgresPort, ca: running.ca },
      direct: { ...running.database, database: 'clinic' },
      agentToken: await running.identities.tokenFor('reporting-agent'),
      stage,
      api: officerApi(running),
      verify: {
        replay: () => replay(running),
        log: async () => {
          await running.gateway.publishCheckpoint();
          const verdict = await verifyLog(running.gateway.auditDirectory, { vkey: running.gateway.vkey });
          return { ok: verdict.ok, size: verdict.size, root: verdict.root ?? '' };
        },
        tamperedCopy: () => verifyTamperedCopy(running),
      },
    });
    write(failures === 0 ? pc.green('\nEverything held.\n') : pc.red(`\n${failures} checks did not hold.\n`));
    if (!options.once) {
      write(await nextSteps(running));
      await untilSignal(running.gateway);
      write('\nstopping\n');
    }
    return failures;
  } finally {
    for (const close of undo.toReversed()) await close().catch(() => undefined);
  }
}

interface RunningDemo {
  readonly directory: string;
  readonly ca: string;
  readonly postgresPort: number;
  readonly database: Pick<EmbeddedPostgres, 'host' | 'port' | 'user' | 'password'>;
  readonly identities: DevProvider;
  readonly gateway: RunningGateway;
  readonly officer: (...command: string[]) => Promise<CommandAnswer>;
}

interface CommandAnswer {
  readonly code: number;
  readonly output: string;
}

async function start(options: DemoOptions, undo: (() => Promise<unknown>)[]): Promise<RunningDemo> {
  const { write } = options;
  const startedMs = performance.now();
  const progress = (what: string): void => write(pc.dim(`${((performance.now() - startedMs) / 1000).toFixed(1).padStart(5)} s  ${what}\n`));

  const directory = options.directory ?? (await mkdtemp(join(tmpdir(), 'sallyport-demo-')));
  if (options.directory === null) undo.push(() => rm(directory, { recursive: true, force: true }));
  for (const folder of ['keys', 'tls', 'offline']) await mkdir(join(directory, folder), { recursive: true, mode: 0o700 });

  const starting = [
    startEmbeddedPostgres().then((started) => {
      undo.push(() => started.stop());
      return started;
    }),
    startDevProvider({ port: 0, audience, personas, tokenLifetimeS: 28_800 }).then((started) => {
      undo.push(() => started.close());
      return started;
    }),
  ] as const;
  // Both have ended one way or the other before a failure is told: what did start must be stopped as well.
  await Promise.allSettled(starting);
  const [database, identities] = await Promise.all(starting);
  progress(`PostgreSQL 18 on 127.0.0.1:${database.port}, development identity provider at ${identities.issuer}`);
  const databasePassword = await loadClinic(database);
  progress('a synthetic clinic: 10,000 patients with the 18 Safe Harbor identifiers, 30,000 encounters, diagnoses, lab results');

  const nowMs = systemClock.nowMs();
  const authority = await createAuthority({ name: 'Sallyport demo CA', nowMs });
  const server = await issueServerCertificate(authority, { hosts: ['localhost', '127.0.0.1'], nowMs });
  const logKey = createLogKey(demoOrigin);
  const sealing = await createSealingIdentity();
  const files: readonly (readonly [string, string])[] = [
    ['tls/ca.crt', authority.certificate],
    ['tls/server.crt', server.certificate],
    ['tls/server.key', server.key],
    ['keys/log.key', logKey.signingKey.reveal()],
    ['keys/log.vkey', logKey.vkey],
    ['keys/token.key', Buffer.from(systemRandom.bytes(32)).toString('hex')],
    ['keys/database-password', databasePassword],
    ['offline/sealing-identity.txt', `${sealing.identity.reveal()}\n`],
    ['policy.yaml', demoPolicy],
    [
      'sallyport.yaml',
      demoConfig({
        issuer: identities.issuer,
        audience,
        consoleClientId: DEV_CONSOLE_CLIENT_ID,
        databasePort: database.port,
        postgresPort: options.postgresPort,
        apiPort: options.apiPort,
        recipient: sealing.recipient,
      }),
    ],
  ];
  for (const [name, text] of files) await writeFile(join(directory, name), text, { mode: 0o600 });

  const gateway = await startGateway(await loadConfig(join(directory, 'sallyport.yaml')), {
    clock: systemClock,
    random: systemRandom,
    logger: createLogger('silent'),
    personas: people.map(({ name, displayName, groups }) => ({ provider: providerName, name, displayName, groups })),
    onFatal: (fault) => write(pc.red(`\nthe audit log failed: ${fault.message}\n`)),
  });
  undo.push(() => gateway.stop());
  const postgresPort = gateway.listeners[0]?.port ?? 0;
  progress(`gateway on 127.0.0.1:${postgresPort} (TLS, own CA), API at ${gateway.api.url}; it holds the only database credential`);

  const officerToken = await identities.tokenFor('privacy-officer');
  const officer = (...command: string[]): Promise<CommandAnswer> =>
    runCommand(['--api', gateway.api.url, '--ca', join(directory, 'tls/ca.crt'), ...command], officerToken);
  return { directory, ca: authority.certificate, postgresPort, database, identities, gateway, officer };
}

/** @returns the password of the login role that only the gateway gets. */
async function loadClinic(database: EmbeddedPostgres): Promise<string> {
  const password = Buffer.from(systemRandom.bytes(24)).toString('base64url');
  const connection = { host: database.host, port: database.port, user: database.user, password: database.password };
  const admin = new pg.Client({ ...connection, database: 'postgres' });
  await admin.connect();
  await admin.query(`CREATE ROLE sallyport LOGIN PASSWORD '${password}'`);
  await admin.query('CREATE DATABASE clinic OWNER sallyport');
  await admin.end();
  const loader = new pg.Client({ ...connection, user: 'sallyport', password, database: 'clinic' });
  await loader.connect();
  // The role owns the tables: it could drop them. That nobody can do so through the gate is the point.
  const superuser = new pg.Client({ ...connection, database: 'clinic' });
  await superuser.connect();
  await superuser.query('GRANT CREATE ON SCHEMA public TO sallyport');
  await superuser.end();
  await loader.query(clinicSchemaSql);
  for (const statement of clinicLoadSql()) await loader.query(statement);
  await loader.query(clinicIndexSql);
  await loader.end();
  return password;
}

/** Runs one `sallyport` command in this process, as somebody would type it, and keeps what it prints. */
async function runCommand(argv: readonly string[], token: string): Promise<CommandAnswer> {
  let output = '';
  const stream: CliIo['stdout'] = { isTTY: false, columns: 140, write: (text) => void (output += text) };
  const unused = async (): Promise<never> => {
    throw new Error('not a command of the demo');
  };
  const code = await runCli(
    {
      io: { ...processIo({ ...environment(), SALLYPORT_TOKEN: token, NO_COLOR: '1' }), stdout: stream, stderr: stream },
      version: '',
      serve: unused,
      demo: unused,
      certificates: unused,
      unseal,
      verifyLog,
      evidence: evidenceTools,
    },
    argv,
  );
  return { code, output };
}

function officerApi(running: RunningDemo): DemoApi {
  return {
    async pendingApproval(signal) {
      for (;;) {
        signal.throwIfAborted();
        const { output } = await running.officer('--json', 'approvals', 'ls', '--state', 'pending');
        const answer = JSON.parse(output) as { approvals?: { id: string; statement: string | null; rules: string[] }[] };
        const first = answer.approvals?.[0];
        if (first !== undefined) return first;
        await sleep(100, undefined, { signal });
      }
    },
    async approve(id) {
      const { code, output } = await running.officer('approvals', 'approve', id, '--reason', 'demo');
      if (code !== 0) throw new Error(`approving failed: ${output}`);
    },
  };
}

async function replay(running: RunningDemo): Promise<readonly string[]> {
  const deadlineMs = performance.now() + 10_000;
  for (;;) {
    const { output } = await running.officer('--json', 'session', 'ls');
    const { sessions = [] } = JSON.parse(output) as { sessions?: { id: string; closedAt: string | null; statements: number }[] };
    const closed = sessions.find((session) => session.closedAt !== null && session.statements > 0);
    if (closed !== undefined) {
      const identity = join(running.directory, 'offline/sealing-identity.txt');
      const shown = await running.officer('session', 'replay', closed.id, '--identity', identity, '--purpose', 'demo');
      if (shown.code !== 0) throw new Error(`replay failed: ${shown.output}`);
      return abridged(shown.output.trimEnd().split('\n'));
    }
    if (performance.now() > deadlineMs) throw new Error('the session did not appear in the index');
    await sleep(100);
  }
}

/** The replay shows whole results; the demo keeps statements and the first lines of each. */
function abridged(lines: readonly string[]): string[] {
  const maxLines = 60;
  const width = 130;
  const short = lines.map((line) => (line.length <= width ? line : `${line.slice(0, width - 1)}…`));
  return short.length <= maxLines
    ? short
    : [...short.slice(0, maxLines - 12), `(${short.length - maxLines + 1} more lines)`, ...short.slice(-11)];
}

async function verifyTamperedCopy(running: RunningDemo): Promise<{ ok: boolean; problem: string | null }> {
  const copy = await mkdtemp(join(tmpdir(), 'sallyport-tampered-'));
  try {
    await cp(join(running.gateway.auditDirectory, 'log'), join(copy, 'log'), { recursive: true });
    const entries = join(copy, 'log', 'tile', 'entries');
    // The newest bundle: older partial ones are no longer part of the log.
    const bundles = (await readdir(entries, { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile());
    const sized = bundles.map((entry) => join(entry.parentPath, entry.name)).map(async (path) => ({ path, size: (await stat(path)).size }));
    const [newest] = (await Promise.all(sized)).toSorted((a, b) => b.size - a.size);
    if (newest === undefined) throw new Error('the log has no entry bundle');
    const file = newest.path;
    const bytes = await readFile(file);
    const middle = bytes.length >> 1;
    bytes[middle] = (bytes[middle] ?? 0) ^ 1;
    await writeFile(file, bytes);
    const verdict = await verifyLog(copy, { vkey: running.gateway.vkey });
    return {
      ok: verdict.ok,
      problem: verdict.problems[0] === undefined ? null : `${verdict.problems[0].code}: ${verdict.problems[0].what}`,
    };
  } finally {
    await rm(copy, { recursive: true, force: true });
  }
}

async function nextSteps(running: RunningDemo): Promise<string> {
  const ca = join(running.directory, 'tls/ca.crt');
  await writeFile(join(running.directory, 'agent.token'), await running.identities.tokenFor('reporting-agent'), { mode: 0o600 });
  await writeFile(join(running.directory, 'officer.token'), await running.identities.tokenFor('privacy-officer'), { mode: 0o600 });
  const sallyport = 'npm run --silent sallyport --';
  return `
${pc.bold('It stays up. Go on in another terminal, in this folder:')}

  ${pc.bold('in a browser')} (it does not know the demo's own certificate authority and warns once)
${consoleLinks(running.gateway.api.url)}

  ${pc.bold('as the agent')} (the token is the password; it ends in eight hours)
    PGPASSWORD="$(cat ${join(running.directory, 'agent.token')})" psql "host=localhost port=${running.postgresPort} dbname=clinic user=agent sslmode=verify-full sslrootcert=${ca}"

  ${pc.bold('as the privacy officer')}
    export SALLYPORT_API=${running.gateway.api.url} SALLYPORT_CA=${ca} SALLYPORT_TOKEN="$(cat ${join(running.directory, 'officer.token')})"
    ${sallyport} approvals ls --state pending
    ${sallyport} approvals approve <id>
    ${sallyport} session ls
    ${sallyport} session replay <id> --identity ${join(running.directory, 'offline/sealing-identity.txt')} --purpose "a look"
    ${sallyport} policy explain "SELECT lower(ssn) FROM patients LIMIT 1" --target clinic
    ${sallyport} policy test

  ${pc.bold('as an auditor')} (needs no server)
    ${sallyport} audit verify ${running.gateway.auditDirectory} --key ${join(running.directory, 'keys/log.vkey')}

Ctrl-C ends everything.
`;
}

/** One click logs in: the development identity provider asks no password. */
function consoleLinks(api: string): string {
  const links = people.map(({ name, displayName, groups }) => [
    `${displayName} (${groups.join(', ')})`,
    `${api}/console/login?provider=${providerName}&hint=${name}`,
  ]);
  const rows = [['console', `${api}/console/`], ...links];
  const width = Math.max(...rows.map(([who = '']) => who.length));
  return rows.map(([who = '', url = '']) => `    ${who.padEnd(width)}  ${url}`).join('\n');
}
