// How differences of policies and replays are printed.

import type { Progress } from './client.ts';
import type { Output } from './output.ts';
import { printable } from './output.ts';
import type { DiffView, ReplayView } from './policy-answers.ts';

interface DiffLine {
  /** `+`: somebody may do or see more. `-`: less. `~`: it depends. */
  readonly sign: '+' | '-' | '~';
  readonly text: string;
}

/** One line for each thing that changes. */
export function diffLines(diff: DiffView): readonly DiffLine[] {
  const lines: DiffLine[] = [];
  const add = (sign: DiffLine['sign'], text: string): number => lines.push({ sign, text });
  for (const { role, change, joins, leaves } of diff.roles) {
    if (change !== 'changed') add(change === 'added' ? '+' : '-', `role ${role} ${change}`);
    for (const member of joins) add('+', `role ${role}: ${member}`);
    for (const member of leaves) add('-', `role ${role}: ${member}`);
  }
  for (const { role, targets, how, gains, loses } of diff.access) {
    if (gains.length > 0) add('+', `role ${role} gains ${gains.join(', ')} on ${targets.join(', ')}, ${how}`);
    if (loses.length > 0) add('-', `role ${role} loses ${loses.join(', ')} on ${targets.join(', ')}, ${how}`);
  }
  for (const { class: name, change, columnsAdded, columnsRemoved, predicates, subjects } of diff.classes) {
    if (change !== 'changed') add(change === 'added' ? '-' : '+', `class ${name} ${change}`);
    for (const column of columnsAdded) add('-', `class ${name} protects ${column}`);
    for (const column of columnsRemoved) add('+', `class ${name} no longer protects ${column}`);
    if (predicates !== null) add('~', `class ${name}: predicates ${predicates.from} -> ${predicates.to}`);
    if (subjects !== null) add('~', `class ${name}: subject ${subjects.from || '(none)'} -> ${subjects.to || '(none)'}`);
  }
  for (const { role, targets, class: name, from, to, change } of diff.masks) {
    const who = role === null ? 'everybody without a mask by role' : `role ${role}`;
    add(change === 'reveals' ? '+' : '-', `${who} on ${targets.join(', ')}: ${name} ${from} -> ${to}`);
  }
  for (const { rule, change, then, fields } of diff.rules) {
    if (change === 'changed')
      for (const { field, from, to } of fields) add('~', `rule ${rule}: ${field} ${from || '(none)'} -> ${to || '(none)'}`);
    else add((change === 'added') === (then === 'allow') ? '+' : '-', `rule ${rule} ${change} (${then})`);
  }
  return lines;
}

export function printDiff(out: Output, diff: DiffView): void {
  const paint = { '+': out.colors.green, '-': out.colors.red, '~': out.colors.yellow };
  for (const { sign, text } of diffLines(diff)) out.line(paint[sign](printable(`${sign} ${text}`)));
  if (diff.isCut) out.line(out.colors.yellow('! more masks change than are listed'));
  if (diff.isEqual) out.line('nothing changes');
}

export function printReplay(out: Output, report: ReplayView): void {
  const changes = Object.entries(report.changes).filter(([, count]) => count > 0);
  out.facts([
    ['requests', String(report.requests)],
    ['unchanged', String(report.unchanged)],
    ...changes.map(([kind, count]) => [kind, String(count)] as const),
    ...report.unknown.map(({ reason, count }) => ['cannot be replayed', `${count} (${reason})`] as const),
  ]);
  if (report.groups.length > 0) {
    out.line();
    out.table(
      ['would be', 'count', 'statement', 'who', 'because', 'example'],
      report.groups.map((group) => [
        group.kind,
        String(group.count),
        group.statement ?? '(not lexed)',
        whoText(group),
        becauseText(group),
        String(group.example),
      ]),
    );
  }
  if (report.ungrouped > 0) out.note(`${report.ungrouped} further changes of other statements are not listed`);
}

function whoText({ principals, principalCount }: ReplayView['groups'][number]): string {
  const more = principalCount - principals.length;
  return `${principals.join(' ')}${more > 0 ? ` and ${more} more` : ''}`;
}

function becauseText({ masks, from, to }: ReplayView['groups'][number]): string {
  if (masks.length > 0) return masks.map(({ of, from: before, to: after }) => `${of} ${before} -> ${after}`).join(', ');
  const why = (verdict: typeof to): string => [...verdict.rules, ...verdict.reasons.filter((reason) => reason !== 'rule')].join(' ');
  return `${from.outcome}${why(from) === '' ? '' : ` (${why(from)})`} -> ${to.outcome}${why(to) === '' ? '' : ` (${why(to)})`}`;
}

/** On standard error, one line for each tenth. */
export function reportProgress(out: Output): (progress: Progress) => void {
  let told = 0;
  return ({ done, total }) => {
    const tenth = total === 0 ? 10 : Math.floor((10 * done) / total);
    if (tenth <= told || tenth > 10) return;
    told = tenth;
    out.note(`${tenth * 10} % of ${total} entries`);
  };
}
