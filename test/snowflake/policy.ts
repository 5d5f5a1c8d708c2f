// A policy for tests with drivers: protected columns are redacted for agents, shown to officers; deletes wait, and drops are denied.

import { protectedColumns } from './fake/clinic.ts';

export function clientsPolicy(targets: readonly string[]): string {
  const classes = Object.entries(protectedColumns).flatMap(([relation, columns]) =>
    columns.map((column) => ({ class: `phi.${column.toLowerCase()}`, columns: [`*:${relation.toLowerCase()}.${column.toLowerCase()}`] })),
  );
  const member = (role: string, group: string): object => ({ role, members: [{ issuer: 'corp', group }] });
  return JSON.stringify({
    version: 1,
    classes,
    roles: [member('agent', 'agents'), member('officer', 'officers')],
    access: ['agent', 'officer'].map((role) => ({ role, targets, effects: ['read', 'write', 'ddl'], how: 'standing' })),
    masks: [
      { class: 'phi.*', roles: ['agent'], mask: 'redact' },
      { class: 'phi.ssn', roles: ['agent'], mask: { method: 'partial', last: 4 } },
      { class: 'phi.*', roles: ['officer'], mask: 'clear' },
    ],
  });
}
