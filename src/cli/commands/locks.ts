// `sallyport lock`, `unlock`, `locks`: a principal, a role or a target without access until somebody lifts it.

import type { Command } from 'commander';
import { Argument } from 'commander';
import { actorText, lockAnswer, lockLiftedAnswer, locksAnswer } from '../answers.ts';
import { namedPrincipal } from '../arguments.ts';
import { printable } from '../output.ts';
import type { CommandSetting } from '../run.ts';
import { runOf, withExamples } from '../run.ts';

type Kind = 'principal' | 'role' | 'target';
const kindArgument = (): Argument => new Argument('<kind>', 'what it is').choices(['principal', 'role', 'target']);

export function lockCommands(program: Command, setting: CommandSetting): void {
  withExamples(
    program
      .command('lock')
      .description('end live sessions now and refuse new ones, until it is lifted')
      .addArgument(kindArgument())
      .argument('<name>', 'issuer/subject, a role, or a target')
      .option('--reason <text>', 'why; kept sealed, read only by auditors')
      .action(async (kind: Kind, name: string, options: { reason?: string }, command: Command) => {
        const { out, api } = runOf(command, setting);
        const { raw, value } = await (await api()).post('/v1/locks', { kind, name: nameOf(kind, name), ...options }, lockAnswer);
        if (out.isJson) return out.json(raw);
        out.line(`${printable(value.kind)} ${printable(name)} is ${out.colors.red('locked')}`);
      }),
    [
      'sallyport lock principal corp/agent-1 --reason "token leaked"',
      'sallyport lock role reporting-agent',
      'sallyport lock target clinic',
    ],
  );

  withExamples(
    program
      .command('unlock')
      .description('lift a lock')
      .addArgument(kindArgument())
      .argument('<name>', 'issuer/subject, a role, or a target')
      .option('--reason <text>', 'why; kept sealed, read only by auditors')
      .action(async (kind: Kind, name: string, options: { reason?: string }, command: Command) => {
        const { out, api } = runOf(command, setting);
        const { raw } = await (await api()).post('/v1/locks/lift', { kind, name: nameOf(kind, name), ...options }, lockLiftedAnswer);
        if (out.isJson) return out.json(raw);
        out.line(`${printable(kind)} ${printable(name)} is unlocked`);
      }),
    ['sallyport unlock principal corp/agent-1'],
  );

  withExamples(
    program
      .command('locks')
      .description('locks that stand')
      .action(async (_options: object, command: Command) => {
        const { out, api } = runOf(command, setting);
        const { raw, value } = await (await api()).get('/v1/locks', {}, locksAnswer);
        if (out.isJson) return out.json(raw);
        if (value.locks.length === 0) return out.note('nothing is locked');
        out.table(
          ['kind', 'name', 'locked by', 'since'],
          value.locks.map((lock) => [lock.kind, shownName(lock), actorText(lock.by), lock.at]),
        );
      }),
    ['sallyport locks', 'sallyport locks --json'],
  );
}

function nameOf(kind: Kind, name: string): string {
  if (kind !== 'principal') return name;
  const { issuer, subject } = namedPrincipal(name);
  return `${encodeURIComponent(issuer)}/${encodeURIComponent(subject)}`;
}

function shownName({ kind, name }: { readonly kind: string; readonly name: string }): string {
  if (kind !== 'principal') return name;
  const { issuer, subject } = namedPrincipal(name);
  return `${issuer}/${subject}`;
}
