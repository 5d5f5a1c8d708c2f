// `sallyport session`: list, show, replay. Replay fetches ciphertext, opens it here with the auditor's own age
// identity, and shows the session as the client saw it: masked, with its timing.

import type { Command } from 'commander';
import { Secret } from '../../core/secret.ts';
import type { RecordingItem } from '../answers.ts';
import { actorText, recordingAnswer, sessionEndedAnswer, sessionEntriesAnswer, sessionsAnswer } from '../answers.ts';
import { replaySpeed, rowLimit } from '../arguments.ts';
import type { ApiClient } from '../client.ts';
import { CliFailure, EXIT, usageFailure } from '../failure.ts';
import { openItem, Replay } from '../replay.ts';
import { printable } from '../output.ts';
import type { CommandSetting } from '../run.ts';
import { runOf, withExamples } from '../run.ts';
import { entryLine } from './audit.ts';

const EXAMPLE_ID = 'ses_aaaaaaaaaaaaaaaaaaaaaaaaaa';

export function sessionCommands(program: Command, setting: CommandSetting): void {
  const sessions = program.command('session').alias('sessions').description('client connections and what happened on them');

  withExamples(
    sessions
      .command('ls')
      .description('list sessions, newest first; your own without an oversight role')
      .option('--target <name>', 'only this target')
      .option('--live', 'only open ones')
      .option('--limit <n>', 'how many', rowLimit, 50)
      .action(async (options: { target?: string; live?: true; limit: number }, command: Command) => {
        const { out, api } = runOf(command, setting);
        const { raw, value } = await (await api()).get('/v1/sessions', { ...options }, sessionsAnswer);
        if (out.isJson) return out.json(raw);
        if (value.sessions.length === 0) return out.note('no session');
        out.table(
          ['session', 'who', 'target', 'opened', 'closed', 'statements', 'denied', 'held', 'rows'],
          value.sessions.map((row) => [
            row.id,
            actorText(row.principal, row.onBehalfOf),
            row.target,
            row.openedAt,
            row.closedAt === null ? 'live' : `${row.closedAt} ${row.closeReason ?? ''}`.trim(),
            String(row.statements),
            String(row.denied),
            String(row.held),
            String(row.rows),
          ]),
        );
      }),
    ['sallyport session ls --live', 'sallyport session ls --target clinic --json'],
  );

  withExamples(
    sessions
      .command('show <id>')
      .description('one line per entry of a session: time, decision, rules, rows')
      .action(async (id: string, _options: object, command: Command) => {
        const { out, api } = runOf(command, setting);
        const client = await api();
        let after = -1;
        let isFirst = true;
        for (;;) {
          const { raw, value } = await client.get(`/v1/sessions/${encodeURIComponent(id)}`, { after }, sessionEntriesAnswer);
          if (out.isJson) out.jsonLine(raw);
          else {
            if (isFirst) {
              out.facts([
                ['session', value.id],
                ['who', actorText(value.principal, value.onBehalfOf)],
                ['target', value.target],
                ['opened', value.openedAt],
                ['closed', value.closedAt === null ? 'live' : `${value.closedAt} ${value.closeReason ?? ''}`.trim()],
              ]);
              out.line();
            }
            for (const entry of value.entries) out.line(entryLine(out, { ...entry, principal: undefined }));
          }
          if (value.next === null) return;
          after = value.next;
          isFirst = false;
        }
      }),
    [`sallyport session show ${EXAMPLE_ID}`],
  );

  withExamples(
    sessions
      .command('end <id>')
      .description('end a live session now; your own, or any as an operator')
      .option('--reason <text>', 'why; kept sealed, read only by auditors')
      .action(async (id: string, options: { reason?: string }, command: Command) => {
        const { out, api } = runOf(command, setting);
        const { raw, value } = await (await api()).post(`/v1/sessions/${encodeURIComponent(id)}/end`, { ...options }, sessionEndedAnswer);
        if (out.isJson) return out.json(raw);
        out.line(value.ended ? `${printable(id)} has been told to end` : `${printable(id)} was over already`);
      }),
    [`sallyport session end ${EXAMPLE_ID} --reason "runs wild"`],
  );

  withExamples(
    sessions
      .command('replay <id>')
      .description('show a session as the client saw it; needs the auditor role, the sealing identity and a purpose')
      .requiredOption('--identity <file>', 'age identity that opens sealed payloads (AGE-SECRET-KEY-...)')
      .requiredOption('--purpose <text>', 'why; recorded with the access')
      .option('--request <id>', 'an approved request for this session (sallyport unseal), where a second person has to agree')
      .option('--speed <factor>', 'times faster than it was; 0 = without waiting', replaySpeed, 0)
      .action(async (id: string, options: ReplayOptions, command: Command) => {
        const { io, out, signal, api } = runOf(command, setting);
        const identity = await readSealingIdentity(io.readText, options.identity);
        const replay = new Replay({ out, sleep: (ms) => io.sleep(ms, signal), speed: options.speed });
        for await (const item of recordingItems(await api(), id, options)) {
          await replay.show(item, await openItem(item, identity, setting.unseal));
        }
        if (replay.finish() > 0) setting.exitWith(EXIT.failed);
      }),
    [`sallyport session replay ${EXAMPLE_ID} --identity auditor.age --purpose "incident 12" --speed 1`],
  );
}

interface ReplayOptions {
  readonly identity: string;
  readonly purpose: string;
  readonly request?: string;
  readonly speed: number;
}

async function* recordingItems(client: ApiClient, id: string, { purpose, request }: ReplayOptions): AsyncGenerator<RecordingItem> {
  for (let after: number | null = -1; after !== null;) {
    const page: { value: { items: RecordingItem[]; next: number | null } } = await client.post(
      `/v1/sessions/${encodeURIComponent(id)}/recording`,
      { purpose, after, unseal: request },
      recordingAnswer,
    );
    yield* page.value.items;
    after = page.value.next;
  }
}

export async function readSealingIdentity(readText: (path: string) => Promise<string>, path: string): Promise<Secret> {
  try {
    return identityIn(await readText(path));
  } catch (error) {
    if (error instanceof CliFailure) throw error;
    throw usageFailure(`${path} cannot be read`, 'Give the file that holds the AGE-SECRET-KEY-... line.');
  }
}

/** The identity line of a file in the form age-keygen writes: comments, then the key. */
function identityIn(text: string): Secret {
  const line = text.split('\n').find((candidate) => candidate.trim().startsWith('AGE-SECRET-KEY-'));
  if (line === undefined) throw usageFailure('no age identity in that file', 'It has a line that starts with AGE-SECRET-KEY-.');
  return new Secret(line.trim());
}
