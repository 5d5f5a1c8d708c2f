// Time to replay 100,000 recorded requests under another policy, and to make the access report: `node scripts/bench-replay.ts [requests]`.
// A real audit log on disk, written by its own writer; the target is under 60 s for 100,000. Prints one line for each.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLogger, systemClock, systemRandom } from '../src/app/ports.ts';
import { createLogKey, createSealingIdentity, openAuditLog } from '../src/audit/index.ts';
import type { EntryDraft } from '../src/core/event.ts';
import { loadPolicy, splitSource } from '../src/policy/index.ts';
import { accessReport, replay } from '../src/reports/index.ts';
import { patientsRedacted, people, policyOf, principalOf, requestOf } from '../test/support/policy.ts';
import { recordedLog } from '../test/support/recorded-log.ts';

const wanted = Number(process.argv[2] ?? 100_000);
const rules = Array.from(
  { length: 20 },
  (_, n) => `  - { name: rule-${n}, when: "'public.t${n}' in request.relations && request.unbounded", then: deny }\n`,
);
const text = `${people}${patientsRedacted}rules:
${rules.join('')}`;
const policy = policyOf(text);
const columns = [
  'public.patients.ssn',
  'public.patients.name',
  'public.patients.mrn',
  ...Array.from({ length: 30 }, (_, n) => `public.patients.c${n}`),
];
const synthetic = recordedLog(policy, columns);
for (let asked = 0; asked < wanted;) {
  const session = synthetic.open(principalOf({ subject: `agent-${asked % 50}`, groups: asked % 3 === 0 ? ['clinicians'] : ['ai-agents'] }));
  for (let n = 0; n < 40 && asked < wanted; n += 1, asked += 1) {
    const shown = columns.slice(asked % 5, 3 + (asked % 20));
    const classes = ['phi.ssn', 'phi.name'].filter((name) => shown.includes(`public.patients.${name.slice(4)}`)).toSorted();
    synthetic.ask(
      session,
      requestOf({
        relations: [{ name: 'public.patients', access: 'read' }],
        columns: [...shown].toSorted(),
        classes,
        outputClasses: classes,
        lineage: { shown: [...shown].toSorted(), tested: [], open: [] },
        normalised: `SELECT ${shown.map((name) => name.split('.').at(-1)).join(', ')} FROM patients WHERE id = $${1 + (asked % 500)}`,
        fingerprint: `f${asked % 500}`,
      }),
    );
  }
}

const directory = mkdtempSync(join(tmpdir(), 'sallyport-bench-'));
const key = createLogKey('audit.test/bench');
const log = await openAuditLog({
  dir: directory,
  origin: 'audit.test/bench',
  replica: 'bench',
  signingKey: key.signingKey,
  recipients: [(await createSealingIdentity()).recipient],
  clock: systemClock,
  random: systemRandom,
  logger: createLogger('silent'),
});
const sinceMs = Date.now() - 1;
const opened = new Map<string, number>();
let waiting: Promise<unknown>[] = [];
for (const { v: _v, seq: _seq, ts: _ts, replica: _replica, sealed: _sealed, ...draft } of synthetic.entries) {
  const at = log.append(draft as EntryDraft);
  if (draft.type === 'session.open' && draft.session !== undefined) void at.then((index) => opened.set(draft.session ?? '', index));
  waiting.push(at);
  if (waiting.length === 1000) await Promise.all(waiting.splice(0));
}
await Promise.all(waiting);
waiting = [];

const deps = {
  ...synthetic.deps,
  source: { reader: log, sessions: { get: async (id: string) => ({ id, openIndex: opened.get(id) ?? -1 }) as never } },
};
const period = { sinceMs, untilMs: Date.now() + 1 };
const never = new AbortController().signal;
const timed = async (name: string, work: () => Promise<string>): Promise<void> => {
  const start = performance.now();
  const cpu = process.cpuUsage();
  const said = await work();
  const { user, system } = process.cpuUsage(cpu);
  console.log(`${name}: ${((performance.now() - start) / 1000).toFixed(1)} s (${((user + system) / 1e6).toFixed(1)} s of CPU): ${said}`);
};

const other = policyOf(
  `${text}  - { name: no-ssn, when: "'phi.ssn' in request.outputClasses && principal.kind == 'agent'", then: deny }\n`,
);
await timed('replay, other rules', async () => {
  const { requests, changes, unknown } = await replay(other, period, deps, () => {}, never);
  return `${requests} requests, ${changes.denied} denied, ${unknown.length} unknown`;
});
const wider = policyOf(text.replace('masks:', '  - { class: phi.mrn, columns: ["clinic:public.patients.mrn"] }\nmasks:'));
await timed('replay, other classes', async () => {
  const { requests, changes, unknown } = await replay(wider, period, deps, () => {}, never);
  return `${requests} requests, ${changes.masked} masked, ${unknown.length} unknown`;
});
await timed('access report', async () => {
  const files = splitSource(policy.source)?.files ?? [];
  const load = (own: typeof files) => loadPolicy({ files: own, packs: () => undefined });
  const report = await accessReport({ policy, files, roles: null, load, filter: period }, deps, () => {}, never);
  return `${report.requests} requests, proven with ${report.shrunk.proven}`;
});
await log.close();
rmSync(directory, { recursive: true, force: true });
