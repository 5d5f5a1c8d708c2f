// What tests of every layer start from: one harmless request of one agent.

import { type Facts, NO_FACTS } from './facts.ts';
import type { Principal } from './identity.ts';
import type { Sha256Hex, TargetName } from './ids.ts';
import type { Request } from './request.ts';
import type { Target } from './target.ts';

export const clinic: Target = { name: 'clinic' as TargetName, protocol: 'postgres', address: '127.0.0.1:5432' };

/** Expires at 10 s. */
export function principalOf(change: Partial<Principal> = {}): Principal {
  return {
    issuer: 'corp',
    subject: 'agent-1',
    kind: 'agent',
    name: 'Agent 1',
    groups: [],
    claims: {},
    onBehalfOf: null,
    expiresAtMs: 10_000,
    ...change,
  };
}

export function factsOf(change: Partial<Facts> = {}): Facts {
  return {
    ...NO_FACTS,
    verbs: ['SELECT'],
    statements: 1,
    effects: ['read'],
    relations: [{ name: 'public.patients', access: 'read' }],
    ...change,
  };
}

export function requestOf(change: Partial<Request> = {}): Request {
  return {
    target: clinic.name,
    action: 'query',
    facts: factsOf(),
    statementSha256: 'aa' as Sha256Hex,
    parametersSha256: 'bb' as Sha256Hex,
    parameters: [],
    maskSetId: '',
    catalogueVersion: 'c1',
    sealed: { statement: new Uint8Array(), parameters: null },
    ...change,
  };
}
