// `policy check`: what loads, but probably is not what the author meant. Works without live targets; with them it also
// compares column patterns with what exists.

import { methodOf } from '../core/mask.ts';
import type { TargetAnalyst } from '../core/ports.ts';
import { fieldRow } from './condition-fields.ts';
import type { ConditionLiteral } from './condition.ts';
import { classMatches, ColumnIndex, type ColumnPattern, globMatches, parseColumnPattern } from './patterns.ts';
import type { Policy, PolicyClass } from './policy.ts';
import type { Fault } from './source.ts';

/** What is asked of a live target; a `TargetAnalyst` is one. */
export type LiveTarget = Pick<TargetAnalyst, 'target' | 'knowsColumn' | 'protectedColumns'>;

/** Warnings in order of the policy. Entries of packs are not warned about: they are written for every clinic.
 *  @param live null = column patterns are not compared with anything. */
export async function checkPolicy(policy: Policy, live: readonly LiveTarget[] | null): Promise<readonly Fault[]> {
  return [
    ...unusedClasses(policy),
    ...(live === null ? [] : await unmatchedColumns(policy, live)),
    ...unusedRoles(policy),
    ...idleMasks(policy),
    ...doubtfulRules(policy),
  ];
}

function ownClasses(policy: Policy): readonly PolicyClass[] {
  return policy.classes.filter(({ origin }) => origin.pack === null);
}

function unusedClasses(policy: Policy): Fault[] {
  const declared = new Set(policy.classes.filter(({ patterns }) => patterns.length > 0).map((entry) => entry.class));
  return ownClasses(policy).flatMap((entry) => {
    const faults: Fault[] = [];
    if (entry.subject !== undefined && !isDateShifted(policy, entry.class))
      faults.push(entry.origin.fault(['subject'], `no mask shifts dates of ${entry.class} by their subject: this has no effect yet`));
    if (entry.json !== undefined)
      faults.push(entry.origin.fault(['json'], 'no target of this version is an HTTP API: this protects nothing yet'));
    else if (entry.columns === undefined && !declared.has(entry.class)) {
      faults.push(entry.origin.fault(['class'], `no entry says where ${entry.class} is found`));
    }
    return faults;
  });
}

/** The mask that reads subjects. */
function isDateShifted({ masks }: Policy, className: string): boolean {
  return masks.some(({ class: pattern, mask }) => methodOf(mask) === 'date-shift' && classMatches(pattern, className));
}

async function unmatchedColumns(policy: Policy, live: readonly LiveTarget[]): Promise<Fault[]> {
  const faults: Fault[] = [];
  const indexes = new Map<string, ColumnIndex>();
  for (const target of live) indexes.set(target.target, new ColumnIndex([...(await target.protectedColumns()).keys()]));
  for (const { patterns, subject, origin } of ownClasses(policy)) {
    for (const [index, pattern] of patterns.entries()) {
      const targets = live.filter(({ target }) => globMatches(pattern.target, target));
      const what = await doubtOfColumn(pattern, targets, indexes);
      if (what !== null) faults.push(origin.fault(['columns', index], what));
    }
    const pattern = subject === undefined ? null : parseColumnPattern(subject);
    // A pattern with `*` stands for unprotected columns too, which nobody lists.
    if (pattern === null || pattern.column.includes('*')) continue;
    const targets = live.filter(({ target }) => globMatches(pattern.target, target));
    const what = await doubtOfColumn(pattern, targets, indexes);
    if (what !== null) faults.push(origin.fault(['subject'], what));
  }
  return faults;
}

async function doubtOfColumn(
  { column }: ColumnPattern,
  targets: readonly LiveTarget[],
  indexes: ReadonlyMap<string, ColumnIndex>,
): Promise<string | null> {
  if (targets.length === 0) return 'no target that could be asked matches this';
  if (column.includes('*')) {
    // What any pattern matched is among the protected columns.
    return targets.some(({ target }) => indexes.get(target)?.has(column) === true) ? null : 'matches no protected column';
  }
  for (const target of targets) if (await target.knowsColumn(column)) return null;
  return `there is no such column on ${targets.map(({ target }) => target).join(', ')}`;
}

function unusedRoles(policy: Policy): Fault[] {
  const used = new Set<string>();
  for (const { role, how } of policy.access) {
    used.add(role);
    if (how.kind !== 'standing') used.add(how.approvers.role);
  }
  for (const { roles } of policy.masks) roles?.forEach((role) => used.add(role));
  for (const { approvers } of [...policy.rules, ...policy.classes]) if (approvers !== undefined) used.add(approvers.role);
  for (const { when } of policy.rules) for (const { field, value } of when.literals) if (field === 'principal.roles') used.add(value);
  return policy.roles.flatMap(({ role, members, origin }) => {
    if (origin.pack !== null) return [];
    if (members.length === 0) return [origin.fault(['members'], `nobody is ${role}`)];
    return used.has(role) ? [] : [origin.fault(['role'], 'nothing refers to this role')];
  });
}

function idleMasks(policy: Policy): Fault[] {
  return policy.masks.flatMap(({ class: pattern, origin }) =>
    origin.pack === null && !policy.classNames.some((name) => classMatches(pattern, name))
      ? [origin.fault(['class'], 'matches no class')]
      : [],
  );
}

function doubtfulRules(policy: Policy): Fault[] {
  const faults: Fault[] = [];
  const granted = new Set<string>(policy.access.flatMap(({ effects }) => effects));
  for (const [index, rule] of policy.rules.entries()) {
    if (rule.origin.pack !== null) continue;
    for (const { field, offset } of rule.when.fields) {
      const [root = '', name = ''] = field.split('.');
      const why = fieldRow(root, name)?.absent;
      if (why !== undefined) faults.push(rule.origin.faultInside(['when'], offset, `${field} is always absent: ${why}`));
    }
    for (const literal of rule.when.literals) {
      const what = doubt(policy, granted, literal);
      if (what !== null) faults.push(rule.origin.faultInside(['when'], literal.offset, what));
    }
    const earlier = policy.rules.slice(0, index).find(({ when, then }) => when.source === rule.when.source && then === rule.then);
    if (earlier !== undefined)
      faults.push(rule.origin.fault(['when'], `the rule ${earlier.name} has the same condition and the same outcome`));
    const denied = policy.rules.find(({ when, then }) => when.source === rule.when.source && then === 'deny');
    if (denied !== undefined && rule.then !== 'deny') {
      faults.push(rule.origin.fault(['then'], `never has an effect: the rule ${denied.name} denies under the same condition`));
    }
    const other = policy.rules.find(({ then, approvers }) => then === 'hold' && approvers?.role !== rule.approvers?.role);
    if (rule.then === 'hold' && other !== undefined) {
      faults.push(
        rule.origin.fault(['approvers', 'role'], `the rule ${other.name} asks for another role: a statement that both hold is denied`),
      );
    }
  }
  return faults;
}

function doubt(policy: Policy, granted: ReadonlySet<string>, { field, how, value }: ConditionLiteral): string | null {
  const name = field.slice(field.indexOf('.') + 1);
  if (name === 'classes' || name === 'outputClasses' || name === 'predicateClasses') {
    const matches = (each: string): boolean => (how === 'is' ? each === value : each.startsWith(value));
    return policy.classNames.some(matches) ? null : `no class ${how === 'is' ? 'is' : 'starts with'} ${JSON.stringify(value)}`;
  }
  if (field === 'request.effects' && how === 'is' && !granted.has(value))
    return `no access entry gives ${value}: such requests are denied anyway`;
  return null;
}
