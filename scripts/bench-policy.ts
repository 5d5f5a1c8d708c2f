// Time per decision with 200 rules: `node scripts/bench-policy.ts`. Prints one line per kind of request.
// Target: under 20 us. Rules are of the kinds found in packs; most do not apply to a given request.

import type { Facts } from '../src/core/facts.ts';
import { decide } from '../src/policy/index.ts';
import { context, people, policyOf, principalOf, requestOf } from '../test/support/policy.ts';

const conditions = [
  (n: number) => `principal.kind == 'agent' && 'ddl' in request.effects && 'public.t${n}' in request.relations`,
  (n: number) => `request.unbounded && request.classes.exists(c, c.startsWith('phi${n}.'))`,
  (n: number) => `'public.t${n}' in request.writtenRelations && !('lead' in principal.groups)`,
  (n: number) => `has(request.limit) && request.limit > ${n * 1000 + 1000} && principal.kind == 'agent'`,
  (n: number) => `request.relations.exists(r, re(r, '^public[.]t${n}_'))`,
  (n: number) => `principal.issuer == 'github' && request.statements > ${n}`,
  (n: number) => `request.outputClasses.exists(c, c == 'phi.c${n}') && now.getHours() < 6`,
  (n: number) => `target.name == 'clinic' && 'group-${n}' in principal.groups`,
];
const rules = Array.from({ length: 200 }, (_, n) => {
  const when = conditions[n % conditions.length]?.(n) ?? 'false';
  return `  - { name: rule-${n}, when: ${JSON.stringify(when)}, then: deny }\n`;
});
const policy = policyOf(`${people}rules:\n${rules.join('')}`);
const principal = principalOf({ groups: ['ai-agents', 'staff', 'clinic-a'] });
const columns = Array.from({ length: 12 }, (_, index) => `public.patients.c${index}`);

const requests: Readonly<Record<string, Partial<Facts>>> = {
  'point read': { columns, limit: 1, classes: ['phi.ssn', 'phi.name'], outputClasses: ['phi.name'] },
  'bulk read': { columns, unbounded: true, classes: ['phi.ssn', 'phi.name', 'phi.date'], outputClasses: ['phi.name', 'phi.ssn'] },
  'session control': { effects: [], relations: [] },
};

const rounds = 20_000;
for (const [name, facts] of Object.entries(requests)) {
  const request = requestOf(facts);
  for (let round = 0; round < rounds; round++) decide(request, principal, policy, context);
  const startedMs = performance.now();
  for (let round = 0; round < rounds; round++) decide(request, principal, policy, context);
  const us = ((performance.now() - startedMs) / rounds) * 1000;
  const { outcome } = decide(request, principal, policy, context);
  console.log(`${name.padEnd(16)} ${us.toFixed(1).padStart(6)} us  ${outcome}, ${policy.rules.length} rules`);
}
