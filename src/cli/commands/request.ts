// `sallyport request`: asks for access to a target for a while, or breaks the glass.

import type { Command } from 'commander';
import { grantAnswer, type GrantAnswerView } from '../answers.ts';
import { duration, rowCount, textList } from '../arguments.ts';
import type { ApiClient } from '../client.ts';
import { EXIT } from '../failure.ts';
import { paintGrantState } from '../grant-output.ts';
import { type Output, printable } from '../output.ts';
import type { CommandSetting } from '../run.ts';
import { runOf, withExamples } from '../run.ts';

interface RequestOptions {
  readonly for: number;
  readonly reason: string;
  readonly role?: string;
  readonly effects?: string[];
  readonly tables?: string[];
  readonly rowsPerHour?: number;
  readonly breakGlass?: true;
  readonly wait?: true;
}

const waitMs = 2_000;

export function requestCommand(program: Command, setting: CommandSetting): void {
  withExamples(
    program
      .command('request <target>')
      .description('ask for access to a target for a while')
      .requiredOption('--for <time>', 'how long, from the moment it opens: 90s, 15m, 1h30m', duration)
      .requiredOption('--reason <text>', 'why; kept sealed, read only by auditors')
      .option('--role <name>', 'needed when several of your roles offer it')
      .option('--effects <list>', 'fewer than the role has, for example read', textList)
      .option('--tables <list>', 'only these, for example public.patients,public.visits', textList)
      .option('--rows-per-hour <n>', 'no more rows than this in any hour', rowCount)
      .option('--break-glass', 'open it now, without approval: everyone is told, and it is reviewed')
      .option('--wait', 'wait for the answer; exit code 1 when it is no')
      .action(async (target: string, options: RequestOptions, command: Command) => {
        const { io, out, signal, api } = runOf(command, setting);
        const client = await api();
        const body = {
          target,
          durationMs: options.for,
          reason: options.reason,
          ...(options.breakGlass === true ? { kind: 'break-glass' } : {}),
          ...(options.role === undefined ? {} : { role: options.role }),
          ...(options.effects === undefined ? {} : { effects: options.effects }),
          ...(options.tables === undefined ? {} : { relations: options.tables }),
          ...(options.rowsPerHour === undefined ? {} : { rowsPerHour: options.rowsPerHour }),
        };
        let { raw, value } = await client.post('/v1/grants', body, grantAnswer);
        if (options.wait === true) {
          if (value.state === 'requested') out.note(`${value.id} waits for ${value.approvers.count} of role ${value.approvers.role}`);
          while (value.state === 'requested') {
            await io.sleep(waitMs, signal);
            ({ raw, value } = await again(client, value));
          }
          if (value.state !== 'active') setting.exitWith(EXIT.failed);
        }
        if (out.isJson) return out.json(raw);
        printState(out, value);
      }),
    [
      'sallyport request clinic --for 1h --reason "ticket 4711"',
      'sallyport request clinic --for 30m --tables public.patients --effects read --rows-per-hour 500 --reason "ward round" --wait',
      'sallyport request clinic --for 30m --break-glass --reason "cardiac arrest, room 4"',
    ],
  );
}

function again(client: ApiClient, { id }: GrantAnswerView) {
  return client.get(`/v1/grants/${encodeURIComponent(id)}`, {}, grantAnswer);
}

function printState(out: Output, grant: GrantAnswerView): void {
  out.line(`${printable(grant.id)} is ${paintGrantState(out, printable(grant.state))}`);
  if (grant.state === 'requested') {
    out.note(`${grant.approvers.count} of role ${grant.approvers.role} must approve: sallyport grants approve ${grant.id}`);
  }
  if (grant.state === 'active') out.note(`until ${grant.expiresAt ?? ''}; sessions opened from now on have it, and end with it`);
  if (grant.review === 'owed') out.note(`role ${grant.approvers.role} owes a review: sallyport grants review ${grant.id}`);
}
