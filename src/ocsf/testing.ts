// Entries for tests of the export: one full header of each type.

import { ENTRY_TYPES, type EntryHeader, type EntryType } from '../core/event.ts';
import type { EventContext, Leaf } from './event.ts';

export const testContext: EventContext = { origin: 'audit.test/siem', version: '0.0.0' };

export function testLeaf(type: EntryType, seq: number, more: Partial<EntryHeader> = {}): Leaf {
  const header: EntryHeader = {
    v: 1,
    seq,
    ts: new Date(Date.UTC(2026, 10, 1) + seq).toISOString(),
    replica: 'main',
    type,
    ...more,
  };
  return { header, hash: seq.toString(16).padStart(64, '0') };
}

/** @param isFull false = the least that an entry of the type may have. */
export function leafOfEveryType(isFull: boolean): Leaf[] {
  return ENTRY_TYPES.map((type, seq) => testLeaf(type, seq, isFull ? fullFields(type) : {}));
}

function fullFields(type: EntryType): Partial<EntryHeader> {
  const principal = { issuer: 'corp', subject: 'agent-1', kind: 'agent' as const };
  const isRequest = type.startsWith('request.');
  return {
    principal,
    onBehalfOf: { issuer: 'corp', subject: 'ana', kind: 'person' },
    session: 'ses_a',
    n: 3,
    grant: 'grt_a',
    approval: 'apr_a',
    resource: { target: 'clinic', objects: ['public.patients'] },
    action: 'query',
    decision: type === 'request.denied' ? 'deny' : type === 'request.held' ? 'hold' : 'allow',
    rules: ['read'],
    policy: { sha256: 'a'.repeat(64) },
    ...(isRequest && type !== 'request.result'
      ? {
          statement: { normalised: 'SELECT name FROM patients WHERE id = $1', fingerprint: 'f1', bytes: 40, parameters: [] },
          facts: {
            verbs: ['SELECT'],
            effects: ['read'],
            relations: [{ name: 'public.patients', access: 'read' }],
            classes: ['phi.name'],
            outputClasses: ['phi.name'],
            predicateClasses: [],
            unbounded: false,
            unknowns: [],
          },
        }
      : {}),
    ...(type === 'request.result'
      ? {
          result: { rows: 2, bytes: 30, columns: [{ name: 'name', classes: ['phi.name'], mask: 'redact' }], code: 'ok', ms: 1.5 },
          intent: 1,
        }
      : {}),
    ...(type === 'approval.answered' ? { answer: { by: { issuer: 'corp', subject: 'ana', kind: 'person' }, verdict: 'deny' } } : {}),
    ...(type.startsWith('approval')
      ? {}
      : { detail: { address: '::ffff:127.0.0.1', fault: 'expired', code: 'test', rows: 3, isOn: true } }),
  };
}
