// `sallyport notifications`: the state of the queue, and a test message to a channel.

import { type Command, Option } from 'commander';
import { notificationsAnswer, notificationTestAnswer } from '../answers.ts';
import { rowLimit } from '../arguments.ts';
import { EXIT } from '../failure.ts';
import { printable } from '../output.ts';
import type { CommandSetting } from '../run.ts';
import { runOf, withExamples } from '../run.ts';

const STATES = ['queued', 'sent', 'failed', 'superseded'];

export function notificationCommands(program: Command, setting: CommandSetting): void {
  const notifications = program.command('notifications').description('what people are told: channels, queue, test');

  withExamples(
    notifications
      .command('ls')
      .alias('list')
      .description('channels with what is queued, then the notifications, newest first')
      .option('--channel <name>', 'only this channel')
      .addOption(new Option('--state <state>', 'only this state').choices(STATES))
      .option('--limit <n>', 'how many', rowLimit, 50)
      .action(async (options: { channel?: string; state?: string; limit: number }, command: Command) => {
        const { out, api } = runOf(command, setting);
        const query = { channel: options.channel, state: options.state, limit: options.limit };
        const { raw, value } = await (await api()).get('/v1/notifications', query, notificationsAnswer);
        if (out.isJson) return out.json(raw);
        if (value.channels.length === 0) return out.note('no channel is configured: see `notifications:` in docs/config.md');
        for (const { name, kind, queued } of value.channels) out.note(`${name} (${kind}): ${queued} queued`);
        if (value.notifications.length === 0) return out.note('nothing was sent lately');
        out.table(
          ['notification', 'channel', 'what', 'about', 'state', 'failed attempts', 'fault', 'created', 'next attempt'],
          value.notifications.map((row) => [
            row.id,
            row.channel,
            row.kind,
            row.about,
            row.state,
            String(row.attempts),
            row.fault ?? '-',
            row.createdAt,
            row.nextAttemptAt ?? '-',
          ]),
          (cell, column) => (column === 4 && cell === 'failed' ? out.colors.red(cell) : cell),
        );
      }),
    ['sallyport notifications ls', 'sallyport notifications ls --state failed --json'],
  );

  withExamples(
    notifications
      .command('test <channel>')
      .description('send a made-up notification now; exit code 1 when it was not delivered')
      .action(async (channel: string, _options: object, command: Command) => {
        const { out, api } = runOf(command, setting);
        const path = `/v1/notifications/channels/${encodeURIComponent(channel)}/test`;
        const { raw, value } = await (await api()).post(path, {}, notificationTestAnswer);
        if (!value.sent) setting.exitWith(EXIT.failed);
        if (out.isJson) return out.json(raw);
        const verdict = value.sent ? out.colors.green('delivered') : out.colors.red(`not delivered: ${printable(value.fault ?? '')}`);
        out.line(`${printable(value.channel)}: ${verdict}`);
      }),
    ['sallyport notifications test reviewers'],
  );
}
