// `sallyport unseal`, `unseals`: opens what was sealed, on this machine, with the auditor's own identity. The gateway hands out ciphertext
// for an approved request only, and writes that down first.

import type { Command } from 'commander';
import { InvalidArgumentError, Option } from 'commander';
import { UNSEAL_PURPOSES } from '../../core/unseal.ts';
import { actorText, type RecordingItem, type UnsealAnswer, unsealAnswer, unsealPayloadsAnswer, unsealsAnswer } from '../answers.ts';
import type { ApiClient } from '../client.ts';
import { CliFailure, EXIT } from '../failure.ts';
import { printable } from '../output.ts';
import { openItem, Replay } from '../replay.ts';
import type { CommandSetting } from '../run.ts';
import { runOf, withExamples } from '../run.ts';
import { readSealingIdentity } from './sessions.ts';

const WAIT_MS = 2000;

interface UnsealOptions {
  readonly purpose: string;
  readonly reason?: string;
  readonly identity: string;
  readonly request?: string;
  readonly wait?: true;
}

export function unsealCommands(program: Command, setting: CommandSetting): void {
  withExamples(
    program
      .command('unseal')
      .argument('<what>', 'id of a session (ses_...), or index of a log entry', scopeOf)
      .description('open the sealed payloads of a session or an entry; needs the auditor role and the sealing identity')
      .addOption(new Option('--purpose <code>', 'why, as a code of the log').choices([...UNSEAL_PURPOSES]).makeOptionMandatory())
      .requiredOption('--identity <file>', 'age identity that opens sealed payloads (AGE-SECRET-KEY-...); it stays on this machine')
      .option('--reason <text>', 'why, in words; kept sealed')
      .option('--request <id>', 'a request of yours that was approved, instead of a new one')
      .option('--wait', 'wait until it is answered')
      .action(async (scope: Scope, options: UnsealOptions, command: Command) => {
        const { io, out, signal, api } = runOf(command, setting);
        const identity = await readSealingIdentity(io.readText, options.identity);
        const client = await api();
        const { purpose, reason } = options;
        const asked =
          options.request === undefined
            ? await client.post('/v1/unseals', { ...scope, purpose, ...(reason === undefined ? {} : { reason }) }, unsealAnswer)
            : await client.get(`/v1/unseals/${encodeURIComponent(options.request)}`, {}, unsealAnswer);
        let request = asked.value;
        if (request.state === 'pending' && options.wait === true) out.note(`waiting for ${request.approvers.role} to answer ${request.id}`);
        while (request.state === 'pending' && options.wait === true) {
          await io.sleep(WAIT_MS, signal);
          request = (await client.get(`/v1/unseals/${request.id}`, {}, unsealAnswer)).value;
        }
        if (request.state === 'pending') {
          if (out.isJson) return out.json(request);
          out.line(
            `${request.id} waits for ${request.approvers.count} of the role ${printable(request.approvers.role)}: sallyport unseals approve ${request.id}`,
          );
          return out.note(`then open it with --request ${request.id}`);
        }
        if (request.state !== 'approved') throw notOpened(request);
        const replay = new Replay({ out, sleep: (ms) => io.sleep(ms, signal), speed: 0 });
        for await (const item of payloadsOf(client, request.id)) await replay.show(item, await openItem(item, identity, setting.unseal));
        if (replay.finish() > 0) setting.exitWith(EXIT.failed);
      }),
    [
      'sallyport unseal 1234 --purpose patient-request --identity auditor.age',
      'sallyport unseal ses_aaaaaaaaaaaaaaaaaaaaaaaaaa --purpose breach-investigation --identity auditor.age --wait',
    ],
  );

  const unseals = program.command('unseals').description('requests to open sealed payloads');
  withExamples(
    unseals
      .command('ls')
      .description('list them, newest first')
      .action(async (_options: object, command: Command) => {
        const { out, api } = runOf(command, setting);
        const { raw, value } = await (await api()).get('/v1/unseals', {}, unsealsAnswer);
        if (out.isJson) return out.json(raw);
        if (value.unseals.length === 0) return out.note('no request');
        out.table(
          ['request', 'state', 'who', 'what', 'target', 'purpose', 'until'],
          value.unseals.map((one) => [
            one.id,
            one.state,
            actorText(one.requester),
            one.session ?? `entry ${one.entry ?? '-'}`,
            one.target,
            one.purpose,
            one.expiresAt,
          ]),
        );
      }),
    ['sallyport unseals ls'],
  );
  for (const verdict of ['approve', 'deny'] as const) {
    withExamples(
      unseals
        .command(`${verdict} <id>`)
        .description(`${verdict} the request of somebody else`)
        .option('--reason <text>', 'why, in words; kept sealed')
        .action(async (id: string, options: { reason?: string }, command: Command) => {
          const { out, api } = runOf(command, setting);
          const path = `/v1/unseals/${encodeURIComponent(id)}/answer`;
          const { raw, value } = await (await api()).post(path, { verdict, ...options }, unsealAnswer);
          if (out.isJson) return out.json(raw);
          out.line(`${value.id} is ${value.state}`);
        }),
      [`sallyport unseals ${verdict} uns_aaaaaaaaaaaaaaaaaaaaaaaaaa`],
    );
  }
}

type Scope = { readonly session: string } | { readonly entry: number };

function scopeOf(text: string): Scope {
  if (/^ses_[a-z2-7]{26}$/.test(text)) return { session: text };
  if (/^\d{1,15}$/.test(text)) return { entry: Number(text) };
  throw new InvalidArgumentError('Expected the id of a session (ses_...) or the index of an entry.');
}

function notOpened({ id, state }: UnsealAnswer): CliFailure {
  return new CliFailure({
    exitCode: EXIT.failed,
    code: 'SP_UNSEAL_NOT_APPROVED',
    what: `${id} is ${state}`,
    why: 'sealed payloads are given out for an approved request only',
    next: 'Talk to the one who answered, or ask anew.',
  });
}

async function* payloadsOf(client: ApiClient, id: string): AsyncGenerator<RecordingItem> {
  for (let after: number | null = -1; after !== null;) {
    const page: { value: { items: RecordingItem[]; next: number | null } } = await client.get(
      `/v1/unseals/${id}/payloads`,
      { after },
      unsealPayloadsAnswer,
    );
    yield* page.value.items;
    after = page.value.next;
  }
}
