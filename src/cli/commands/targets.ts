// `sallyport targets ls`: what the caller may connect to.

import type { Command } from 'commander';
import { targetsAnswer } from '../answers.ts';
import type { CommandSetting } from '../run.ts';
import { runOf, withExamples } from '../run.ts';

export function targetCommands(program: Command, setting: CommandSetting): void {
  const targets = program.command('targets').description('protected systems behind the gate');
  withExamples(
    targets
      .command('ls')
      .description('list the targets you have access to')
      .action(async (_options: object, command: Command) => {
        const { out, api } = runOf(command, setting);
        const { raw, value } = await (await api()).get('/v1/targets', {}, targetsAnswer);
        if (out.isJson) return out.json(raw);
        if (value.targets.length === 0) return out.note('no target: no role of yours has access to one');
        out.table(
          ['target', 'protocol', 'address', 'catalogue', 'protected columns'],
          value.targets.map((row) => [row.name, row.protocol, row.address ?? '-', row.catalogue, String(row.protectedColumns)]),
          (cell, column) => (column === 3 && cell !== 'ready' ? out.colors.yellow(cell) : cell),
        );
      }),
    ['sallyport targets ls', 'sallyport targets ls --json'],
  );
}
