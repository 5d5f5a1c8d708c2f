// What the export of a backlog costs the thread that serves statements: `node scripts/bench-siem.ts [entries] [kind]`, kind = https
// (default), splunk-hec, otlp, syslog, file or idle. The log is synthetic; the receiver is a process of its own behind TLS. Prints one line
// of JSON: delay of the event loop while the backlog goes out, and how long an append takes meanwhile.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer as createHttpsServer } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay, performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { createServer as createTlsServer } from 'node:tls';
import { createAuthority, issueServerCertificate } from '../src/app/certificates.ts';
import { createLogKey, createSealingIdentity } from '../src/audit/index.ts';
import type { EntryDraft } from '../src/core/event.ts';
import { startExport } from '../test/support/siem-export.ts';

if (process.argv[2] === 'receive') {
  receive(process.argv[3] ?? '', process.argv[4] ?? '', process.argv[5] ?? '');
} else {
  await measure(Number(process.argv[2] ?? 200_000), process.argv[3] ?? 'https');
}

function receive(kind: string, cert: string, key: string): void {
  const told = function (this: { address(): unknown }): void {
    process.stdout.write(`${JSON.stringify(this.address())}\n`);
  };
  if (kind === 'syslog') {
    createTlsServer({ cert, key }, (socket) => {
      socket.resume();
      socket.on('end', () => socket.end());
    }).listen(0, '127.0.0.1', told);
    return;
  }
  createHttpsServer({ cert, key }, (request, response) => {
    request.resume();
    request.on('end', () => response.end(kind === 'splunk-hec' ? '{"text":"Success","code":0}' : ''));
  }).listen(0, '127.0.0.1', told);
}

/** As the gate writes them. */
function drafts(n: number): EntryDraft[] {
  const principal = { issuer: 'corp', subject: 'agent-7', kind: 'agent' } as const;
  const session = `ses_${n % 1000}`;
  const classes = ['phi.name', 'phi.ssn', 'phi.birth-date'];
  const common = { principal, session, resource: { target: 'clinic', objects: ['public.patients'] }, action: 'query' } as const;
  return [
    {
      ...common,
      type: 'request.intent',
      decision: 'allow',
      rules: ['agents-read'],
      policy: { sha256: 'a'.repeat(64) },
      statement: {
        normalised: 'SELECT id, name, ssn, date_of_birth FROM public.patients WHERE clinic_id = $1 AND id = $2 LIMIT 5',
        fingerprint: '50fde20626009aba',
        bytes: 98,
        parameters: [{ type: 'int4', bytes: 4 }],
      },
      facts: {
        verbs: ['SELECT'],
        effects: ['read'],
        relations: [{ name: 'public.patients', access: 'read' }],
        classes,
        outputClasses: classes,
        predicateClasses: [],
        unbounded: false,
        unknowns: [],
      },
    },
    {
      ...common,
      type: 'request.result',
      result: { rows: 5, bytes: 410, columns: classes.map((name) => ({ name, classes: [name], mask: 'redact' })), code: 'ok', ms: 1.382 },
    },
  ] as EntryDraft[];
}

async function measure(entries: number, kind: string): Promise<void> {
  const root = mkdtempSync(join(process.env['BENCH_DIRECTORY'] ?? tmpdir(), 'sallyport-bench-siem-'));
  let receiver: ChildProcess | null = null;
  try {
    const authority = await createAuthority({ name: 'bench', nowMs: Date.now() });
    const server = await issueServerCertificate(authority, { hosts: ['localhost'], nowMs: Date.now() });
    const ca = join(root, 'ca.crt');
    writeFileSync(ca, authority.certificate);
    const origin = 'audit.example.org/bench';
    const key = createLogKey(origin);
    const { recipient } = await createSealingIdentity();
    const setup = { origin, signingKey: key.signingKey.reveal(), recipient };
    const dir = join(root, 'data');
    mkdirSync(dir);
    const before = await startExport(dir, { ...setup, siem: [] });
    for (let n = 0; n < entries / 2; n += 250)
      await Promise.all(
        Array.from({ length: 250 }, (_, at) => drafts(n + at)).flatMap((list) => list.map((draft) => before.log.append(draft))),
      );
    await before.close();

    let port = 0;
    if (!['file', 'idle'].includes(kind)) {
      receiver = spawn(process.execPath, [import.meta.filename, 'receive', kind, server.certificate, server.key], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      if (receiver.stdout === null) throw new Error('no output');
      const [line] = (await once(receiver.stdout, 'data')) as [Buffer];
      ({ port } = JSON.parse(line.toString()) as { port: number });
    }
    const url = `https://localhost:${port}`;
    const shared = { name: 'bench', kind, allowPrivate: true, ca };
    const destination = {
      https: { ...shared, url: `${url}/in` },
      'splunk-hec': { ...shared, url, token: { env: 'token' } },
      otlp: { ...shared, url: `${url}/v1/logs` },
      syslog: { ...shared, host: 'localhost', port },
      file: { name: 'bench', kind, path: join(root, 'events.ndjson') },
    }[kind];
    const delay = monitorEventLoopDelay({ resolution: 1 });
    const running = await startExport(dir, { ...setup, siem: destination === undefined ? [] : [destination] });
    const cpu = process.cpuUsage();
    const used = performance.eventLoopUtilization();
    const startedMs = performance.now();
    const appends: number[] = [];
    delay.enable();
    const isDone = (): boolean =>
      kind === 'idle' ? performance.now() - startedMs > 10_000 : (running.siem.status()[0]?.next ?? 0) > entries;
    let most = 0;
    while (!isDone()) {
      const atMs = performance.now();
      await running.log.append({ type: 'auth.ok', detail: { n: appends.length } });
      appends.push(performance.now() - atMs);
      most = Math.max(most, process.memoryUsage().rss);
      await sleep(10);
    }
    delay.disable();
    const seconds = (performance.now() - startedMs) / 1000;
    const { user, system } = process.cpuUsage(cpu);
    const ms = (ns: number): number => Math.round(ns / 1e4) / 100;
    const sorted = appends.toSorted((a, b) => a - b);
    const at = (share: number): number => Math.round((sorted[Math.floor(sorted.length * share)] ?? 0) * 100) / 100;
    console.log(
      JSON.stringify({
        kind,
        entries,
        seconds: Math.round(seconds * 10) / 10,
        loop: { p50: ms(delay.percentile(50)), p99: ms(delay.percentile(99)), max: ms(delay.max) },
        busy: Math.round(performance.eventLoopUtilization(used).utilization * 100) / 100,
        append: { p50: at(0.5), p99: at(0.99), max: at(0.9999) },
        cpuSeconds: Math.round((user + system) / 1e5) / 10,
        rssMb: Math.round(most / 1e6),
      }),
    );
    await running.close();
  } finally {
    receiver?.kill();
    rmSync(root, { recursive: true, force: true });
  }
}
