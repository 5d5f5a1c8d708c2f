// `sallyport grants recertify`: everything that gives access and when it was last used; then the signed decision about that list.

import type { Command } from 'commander';
import { recertificationAnswer, recertifiedAnswer } from '../answers.ts';
import { textList } from '../arguments.ts';
import { usageFailure } from '../failure.ts';
import type { CommandSetting } from '../run.ts';
import { runOf, withExamples } from '../run.ts';

interface RecertifyOptions {
  readonly sign?: string;
  readonly revoke?: string[];
  readonly note?: string;
}

export function recertifyCommand(grants: Command, setting: CommandSetting): void {
  withExamples(
    grants
      .command('recertify')
      .description('list all access with its last use; with --sign, decide about a list that was saved with --json')
      .option('--sign <file>', 'the saved list; whatever is not revoked is kept')
      .option('--revoke <items>', 'items that are to go; grants end at once, standing access is for the authors of the policy', textList)
      .option('--note <text>', 'why; kept sealed, read only by auditors')
      .action(async (options: RecertifyOptions, command: Command) => {
        const { io, out, api } = runOf(command, setting);
        if (options.sign === undefined) {
          if (options.revoke !== undefined || options.note !== undefined) {
            throw usageFailure('--revoke and --note decide about a list', 'Save one with --json and give it with --sign.');
          }
          const { raw, value } = await (await api()).get('/v1/recertification', {}, recertificationAnswer);
          if (out.isJson) return out.json(raw);
          out.table(
            ['item', 'how', 'role', 'targets', 'may', 'who', 'last used', 'used by', 'until'],
            value.items.map((item) => [
              item.item,
              item.kind,
              item.role,
              item.targets.join(' '),
              item.effects.join(' '),
              item.who,
              item.lastUsedAt ?? 'never',
              item.usedBy.join(' ') || '-',
              item.expiresAt ?? '-',
            ]),
          );
          return out.note(`list ${value.sha256}; save it with --json, then sign it with --sign`);
        }
        const list = savedList(await io.readText(options.sign));
        const revoke = new Set(options.revoke);
        const unknown = [...revoke].find((item) => !list.items.some((each) => each.item === item));
        if (unknown !== undefined) throw usageFailure(`the list has no item ${unknown}`, 'Items are in its first column.');
        const decisions = Object.fromEntries(list.items.map(({ item }) => [item, revoke.has(item) ? 'revoke' : 'keep']));
        const body = { sha256: list.sha256, decisions, ...(options.note === undefined ? {} : { note: options.note }) };
        const { raw, value } = await (await api()).post('/v1/recertification', body, recertifiedAnswer);
        if (out.isJson) return out.json(raw);
        out.line(`signed: ${value.kept} kept, ${value.revoked} to go, ${value.grantsEnded.length} grants ended`);
        if (value.revoked > value.grantsEnded.length) out.note('standing access goes when its entry goes from the policy');
      }),
    [
      'sallyport grants recertify',
      'sallyport grants recertify --json > access.json',
      'sallyport grants recertify --sign access.json --revoke access-3,grt_aaaaaaaaaaaaaaaaaaaaaaaaaa --note "Q4 review"',
    ],
  );
}

function savedList(text: string): { sha256: string; items: { item: string }[] } {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    json = null;
  }
  const checked = recertificationAnswer.safeParse(json);
  if (checked.success) return checked.data;
  throw usageFailure('this file is no list of access', 'Save one: sallyport grants recertify --json > access.json');
}
