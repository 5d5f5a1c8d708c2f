// Policies, principals and requests for tests.

import assert from 'node:assert/strict';
import type { Facts } from '../../src/core/facts.ts';
import type { Principal } from '../../src/core/identity.ts';
import type { Request } from '../../src/core/request.ts';
import { clinic, factsOf, principalOf as agentOf, requestOf as anyRequest } from '../../src/core/testing.ts';
import { type LoadInput, loadPolicy, type Policy, renderFault } from '../../src/policy/index.ts';

export { clinic, factsOf } from '../../src/core/testing.ts';
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

/** Names and numbers of patients are redacted for whoever does not treat them. `people` goes before it, rules behind. */
export const patientsRedacted = `classes:
  - { class: phi.ssn, columns: ["clinic:public.patients.ssn"] }
  - { class: phi.name, columns: ["clinic:public.patients.name"] }
masks:
  - { class: phi.*, mask: redact }
  - { class: phi.*, roles: [treating-clinician], mask: clear }
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

export const principalOf = (change: Partial<Principal> = {}): Principal =>
  agentOf({ groups: ['ai-agents'], expiresAtMs: noonMs + 3_600_000, ...change });

export const requestOf = (facts: Partial<Facts> = {}, change: Partial<Request> = {}): Request =>
  anyRequest({ facts: factsOf(facts), ...change });
