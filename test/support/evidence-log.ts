// A small audit log with a bit of everything, written by the real writer with a clock that the test moves. For tests of evidence.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createHash } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  createLogKey,
  createSealingIdentity,
  nodeDisk,
  openAuditLog,
  parseSigningKey,
  type LogKey,
  type OpenAuditLog,
} from '../../src/audit/index.ts';
import type { EntryDraft, Payload } from '../../src/core/event.ts';
import type { ExportDeps } from '../../src/evidence/index.ts';

export const origin = 'audit.example.org/evidence';
export const startMs = Date.UTC(2026, 10, 1, 8);
export const policyText = '# sallyport policy 1\nversion: 1\n';
export const policySha256 = createHash('sha256').update(policyText).digest('hex');

export const alice = { issuer: 'corp', subject: 'alice', kind: 'person' } as const;
export const agent = { issuer: 'corp', subject: '=agent-1', kind: 'agent' } as const;
export const officer = { issuer: 'corp', subject: 'officer', kind: 'person' } as const;

export interface EvidenceLog {
  readonly root: string;
  /** The audit directory. */
  readonly dir: string;
  readonly key: LogKey;
  readonly log: OpenAuditLog;
  /** Moves the clock and appends. @returns the index */
  add(entry: EntryDraft, payloads?: readonly Payload[]): Promise<number>;
  /** A session of the agent with so many reads. */
  session(id: string, reads: number, grant?: string): Promise<void>;
  nowMs: number;
  deps(over?: Partial<ExportDeps>): ExportDeps;
  close(): Promise<void>;
}

export async function evidenceLog(verifier: () => Promise<string>): Promise<EvidenceLog> {
  const root = mkdtempSync(join(tmpdir(), 'sallyport-evidence-'));
  const dir = join(root, 'audit');
  const key = createLogKey(origin);
  const { recipient } = await createSealingIdentity();
  const clock = { nowMs: startMs };
  const log = await openAuditLog({
    dir,
    origin,
    replica: 'gw-1',
    signingKey: key.signingKey,
    recipients: [recipient],
    clock: { nowMs: () => clock.nowMs, monotonicMs: () => performance.now() },
    random: { bytes: (length) => crypto.getRandomValues(new Uint8Array(length)) },
    logger: { info: () => undefined, warn: () => undefined, error: () => undefined },
    // The writer in this thread, so that it has the clock of the test.
    disk: nodeDisk,
  });
  const add = (entry: EntryDraft, payloads?: readonly Payload[]): Promise<number> => {
    clock.nowMs += 1000;
    return log.append(entry, payloads);
  };
  return {
    root,
    dir,
    key,
    log,
    add,
    get nowMs() {
      return clock.nowMs;
    },
    set nowMs(ms) {
      clock.nowMs = ms;
    },
    async session(id, reads, grant) {
      const common = { principal: agent, onBehalfOf: alice, session: id, resource: { target: 'clinic' } };
      let n = 0;
      await add({ type: 'auth.ok', ...common, n: n++, detail: { address: '10.0.0.1' } });
      await add({ type: 'session.open', ...common, n: n++, ...(grant === undefined ? {} : { grant }), detail: { address: '10.0.0.1' } });
      for (let read = 0; read < reads; read += 1) {
        const intent = await add(
          {
            type: 'request.intent',
            ...common,
            n: n++,
            action: 'query',
            decision: 'allow',
            rules: ['agents-read'],
            policy: { sha256: policySha256 },
            statement: { normalised: 'SELECT name, ssn FROM patients WHERE id = $1', fingerprint: 'fp1', bytes: 44, parameters: [] },
            facts: {
              verbs: ['SELECT'],
              effects: ['read'],
              relations: [{ name: 'public.patients', access: 'read' }],
              classes: ['phi.ssn'],
              outputClasses: ['phi.ssn'],
              predicateClasses: [],
              unbounded: false,
              unknowns: [],
            },
          },
          [{ kind: 'statement', bytes: Buffer.from('SELECT name, ssn FROM patients WHERE id = 7') }],
        );
        const columns = [
          { name: 'name', classes: ['phi.name'], mask: 'clear' },
          { name: 'ssn', classes: ['phi.ssn'], mask: 'last4' },
        ];
        const result = { rows: 3, bytes: 90, columns, code: 'ok', ms: 1.5 };
        await add({ type: 'request.result', ...common, n: n++, action: 'query', intent, result }, [
          { kind: 'result', bytes: Buffer.from('rows') },
        ]);
      }
      await add({
        type: 'request.denied',
        ...common,
        n: n++,
        action: 'query',
        decision: 'deny',
        reasons: ['no-access'],
        rules: ['=deny'],
        policy: { sha256: policySha256 },
      });
      await add({ type: 'session.close', ...common, n: n++, detail: { reason: 'client', requests: reads + 1 } });
    },
    deps: (over = {}) => ({
      log: join(dir, 'log'),
      signer: parseSigningKey(key.signingKey, origin),
      policy: async (sha256) => (sha256 === policySha256 ? policyText : null),
      verifier,
      version: '0.0.0-test',
      reserveBytes: 0,
      ...over,
    }),
    async close() {
      await log.close();
      rmSync(root, { recursive: true, force: true });
    },
  };
}

/** A grant from the question to the end, a held request, an emergency access, and what else a range may have. */
export async function fillLog(log: EvidenceLog): Promise<void> {
  await log.add({ type: 'policy.applied', principal: officer, policy: { sha256: policySha256 }, detail: { how: 'apply' } });
  const grant = { principal: agent, onBehalfOf: alice, grant: 'gra_1', resource: { target: 'clinic' }, policy: { sha256: policySha256 } };
  const terms = { role: 'nurse', effects: 'read', durationMs: 3_600_000, approvers: 'officers', count: 1 };
  await log.add({ type: 'grant.requested', ...grant, detail: terms }, [{ kind: 'justification', bytes: Buffer.from('case 7') }]);
  await log.add({
    type: 'grant.answered',
    ...grant,
    answer: { by: officer, verdict: 'approve' },
    detail: { role: 'nurse', effects: 'read' },
  });
  await log.add({ type: 'grant.opened', ...grant, detail: terms });
  await log.session('ses_a', 4, 'gra_1');
  await log.add({ type: 'grant.ended', ...grant, detail: { role: 'nurse', effects: 'read', reason: 'expired' } });
  const held = { principal: agent, onBehalfOf: alice, approval: 'apr_1', session: 'ses_b', resource: { target: 'clinic' } };
  await log.add({ type: 'session.open', ...held, n: 0 });
  await log.add({ type: 'approval.requested', ...held, detail: { role: 'officers', count: 1 } });
  await log.add({
    type: 'request.held',
    ...held,
    n: 1,
    action: 'query',
    decision: 'hold',
    rules: ['writes'],
    statement: { normalised: 'DELETE FROM visits', bytes: 18, parameters: [] },
  });
  log.nowMs += 90_000;
  await log.add({ type: 'approval.answered', ...held, answer: { by: officer, verdict: 'approve' }, detail: { state: 'approved' } });
  await log.add({ type: 'approval.used', ...held });
  const facts = {
    verbs: ['DELETE'],
    effects: ['write'],
    relations: [],
    classes: [],
    outputClasses: [],
    predicateClasses: [],
    unbounded: true,
    unknowns: [],
  };
  const intent = await log.add({ type: 'request.intent', ...held, n: 2, action: 'query', decision: 'allow', facts });
  await log.add({
    type: 'request.result',
    session: 'ses_b',
    n: 3,
    principal: agent,
    intent,
    result: { rows: 2, bytes: 0, code: 'ok', ms: 2 },
  });
  await log.add({
    type: 'breakglass.opened',
    principal: alice,
    grant: 'gra_2',
    resource: { target: 'clinic' },
    detail: { role: 'doctor', effects: 'read', durationMs: 900_000 },
  });
  await log.add({ type: 'breakglass.reviewed', principal: alice, grant: 'gra_2', answer: { by: officer, verdict: 'approve' } });
  await log.add({ type: 'auth.fail', resource: { target: 'clinic' }, detail: { fault: 'expired', address: '10.0.0.9' } });
  await log.add({ type: 'review.signed', principal: officer, detail: { review: 'access' } });
  await log.add({
    type: 'payload.unsealed',
    principal: officer,
    session: 'ses_a',
    resource: { target: 'clinic' },
    detail: { access: 'recording' },
  });
  await log.add({ type: 'alarm', detail: { code: 'test' } });
}

/** Writes an anchor into the log directory. */
export function writeAnchor({ dir }: EvidenceLog, name: string, text: string): void {
  writeFileSync(join(dir, 'log', 'anchors', name), text);
}
