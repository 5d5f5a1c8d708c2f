// Policies, principals and requests for tests.

import assert from 'node:assert/strict';
import type { Facts } from '../../src/core/facts.ts';
import type { Principal } from '../../src/core/identity.ts';
import type { Sha256Hex, TargetName } from '../../src/core/ids.ts';
import type { Request } from '../../src/core/request.ts';
import type { Target } from '../../src/core/target.ts';
import { type LoadInput, loadPolicy, type Policy, renderFault } from '../../src/policy/index.ts';

export const clinic: Target = { name: 'clinic' as TargetName, protocol: 'postgres', address: '127.0.0.1:5432' };
export const noonMs = Date.UTC(2026, 0, 5, 12);
export const context = { target: clinic, nowMs: noonMs };

/** Roles and access that most tests start from. */
export const people = `
roles:
  - role: reporting-agent
    members: [{ issuer: corp, group: ai-agents }]
  - role: treating-clinician
    members: [{ issuer: corp, group: clinicians }]
  - role: privacy-officer
    members: [{ issuer: corp, group: privacy }]
access:
  - role: reporting-agent
    targets: [clinic]
    effects: [read]
  - role: treating-clinician
    targets: ["*"]
    effects: [read, write]
`;

type Options = Partial<Omit<LoadInput, 'files'>>;

/** Loads `text` (after `version: 1`) and fails the test when it has faults. */
export function policyOf(text: string, options: Options = {}): Policy {
  const loaded = loadPolicy({ files: [{ name: 'policy.yaml', text: `version: 1\n${text}` }], packs: () => undefined, ...options });
  if (!loaded.ok) assert.fail(loaded.faults.map(renderFault).join('\n'));
  return loaded.policy;
}

/** Faults of `text`, rendered. Line 1 is `version: 1`. */
export function faultsOf(text: string, options: Options = {}): string[] {
  const loaded = loadPolicy({ files: [{ name: 'policy.yaml', text: `version: 1\n${text}` }], packs: () => undefined, ...options });
  return loaded.ok ? [] : loaded.faults.map(renderFault);
}

export function principalOf(change: Partial<Principal> = {}): Principal {
  return {
    issuer: 'corp',
    subject: 'agent-1',
    kind: 'agent',
    name: 'Agent 1',
    groups: ['ai-agents'],
    claims: {},
    onBehalfOf: null,
    expiresAtMs: noonMs + 3_600_000,
    ...change,
  };
}

export function factsOf(change: Partial<Facts> = {}): Facts {
  return {
    verbs: ['SELECT'],
    statements: 1,
    effects: ['read'],
    relations: [{ name: 'public.patients', access: 'read' }],
    columns: [],
    classes: [],
    outputs: [],
    outputClasses: [],
    predicateClasses: [],
    unbounded: false,
    limit: null,
    unknowns: [],
    normalised: null,
    fingerprint: null,
    ...change,
  };
}

export function requestOf(facts: Partial<Facts> = {}, change: Partial<Request> = {}): Request {
  return {
    target: clinic.name,
    action: 'query',
    facts: factsOf(facts),
    textSha256: 'aa' as Sha256Hex,
    parametersSha256: 'bb' as Sha256Hex,
    parameters: [],
    maskSetId: '',
    catalogueVersion: 'c1',
    sealed: { statement: new Uint8Array(), parameters: null },
    ...change,
  };
}
