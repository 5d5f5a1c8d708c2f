// `sallyport subject search|ls`: who touched the data of one subject, such as a patient. The value is read from standard input or a
// file unless it is given: the command line of a process can be seen by others and stays in the history of the shell.

import type { Command } from 'commander';
import { Option } from 'commander';
import { UNSEAL_PURPOSES } from '../../core/unseal.ts';
import { actorText } from '../answers.ts';
import { moment } from '../arguments.ts';
import { usageFailure } from '../failure.ts';
import type { Output } from '../output.ts';
import type { CommandSetting } from '../run.ts';
import { runOf, withExamples } from '../run.ts';
import { type HitView, subjectsAnswer, subjectSearchAnswer, type SubjectSearchView } from '../subject-answers.ts';

interface SearchOptions {
  readonly from: string;
  readonly to?: string;
  readonly purpose: string;
  readonly reason?: string;
  readonly valueFile?: string;
  readonly limit: number;
}

const WHY: Readonly<Record<string, string>> = {
  'not-by-key': 'rows that no key tells',
  'not-indexed': 'not in the index',
  'before-index': 'before it was indexed',
};

const SHOWS_NOT = [
  'what never went through the gateway, and statements that were refused or never approved: they showed nothing',
  'rows of relations that no foreign key joins to these columns, and copies of rows under other names',
  'what triggers and functions of the target did',
  'what somebody learnt from a possible request: read it (sallyport unseal <entry>)',
];

export function subjectCommands(program: Command, setting: CommandSetting): void {
  const subject = program.command('subject').description('whose data was touched by whom (auditors)');

  withExamples(
    subject
      .command('search')
      .argument('<target>', 'name of the target')
      .argument('<subject>', 'name of the subject in the configuration, such as patient')
      .argument('[value]', 'their key, as it is in the target; - reads it from standard input, as does leaving it out')
      .description('who touched the data of one subject, and who may have')
      .addOption(new Option('--purpose <code>', 'why, as a code of the log').choices([...UNSEAL_PURPOSES]).makeOptionMandatory())
      .option('--value-file <file>', 'read the value from a file')
      .option('--reason <text>', 'why, in words; kept sealed')
      .option('--from <time>', 'start: how long ago (7d), or a time (2026-11-01)', (at) => moment(at), moment('90d'))
      .option('--to <time>', 'end, exclusive (default: now)', (at) => moment(at))
      .option('--limit <n>', 'how many of each, the newest', Number, 500)
      .action(async (target: string, name: string, given: string | undefined, options: SearchOptions, command: Command) => {
        const { io, out, api } = runOf(command, setting);
        if (given !== undefined && options.valueFile !== undefined)
          throw usageFailure('the value is given twice', 'Give it once: as -, or with --value-file.');
        const text =
          options.valueFile !== undefined
            ? await io.readText(options.valueFile)
            : given === undefined || given === '-'
              ? await io.readStdin()
              : given;
        const value = text.replace(/\r?\n$/, '');
        if (value === '') throw usageFailure('the value is empty', 'Type it and end with Ctrl-D, or give --value-file.');
        const { from, to, purpose, reason, limit } = options;
        const body = {
          target,
          subject: name,
          value,
          purpose,
          since: from,
          limit,
          ...(to === undefined ? {} : { until: to }),
          ...(reason === undefined ? {} : { reason }),
        };
        const { raw, value: answer } = await (await api()).post('/v1/subjects/search', body, subjectSearchAnswer);
        if (out.isJson) return out.json(raw);
        print(out, answer);
      }),
    [
      'sallyport subject search clinic patient --purpose patient-request --from 2026-01-01 < id.txt',
      'sallyport subject search clinic patient - --purpose breach-investigation --reason "case 12" --json',
    ],
  );

  withExamples(
    subject
      .command('ls')
      .description('whose data can be searched for')
      .action(async (_options: object, command: Command) => {
        const { out, api } = runOf(command, setting);
        const { raw, value } = await (await api()).get('/v1/subjects', {}, subjectsAnswer);
        if (out.isJson) return out.json(raw);
        if (value.subjects.length === 0) return out.note('no target has subjects: see docs/subjects.md');
        out.table(
          ['target', 'subject', 'columns'],
          value.subjects.map((one) => [one.target, one.name, one.columns.join(' ')]),
        );
      }),
    ['sallyport subject ls'],
  );
}

function print(out: Output, answer: SubjectSearchView): void {
  const { hits, hitCount, unsure, unsureCount, indexedSince, damaged, entries } = answer;
  out.table(
    ['entry', 'when', 'who', 'on behalf of', 'how', 'rows', 'session', 'approval or grant', 'statement'],
    hits.map((hit) => rowOf(hit, hit.how.join(' '))),
  );
  if (unsure.length > 0) {
    out.note('may have:');
    out.table(
      ['entry', 'when', 'who', 'on behalf of', 'why', 'rows', 'session', 'approval or grant', 'statement'],
      unsure.map((hit) => rowOf(hit, WHY[hit.why] ?? hit.why)),
    );
  }
  out.note(`${hitCount} did, ${unsureCount} may have; ${answer.touching} requests touched the data of some ${answer.subject}`);
  if (hits.length < hitCount || unsure.length < unsureCount) out.note('only the newest are shown: ask for more with --limit, or by period');
  out.note(`entries ${entries.from} to ${entries.to - 1}; this search is entry ${answer.seq}`);
  out.note(
    indexedSince === null
      ? 'these columns are not indexed: every request may have'
      : `indexed by ${answer.columns.join(', ')} since entry ${indexedSince.seq}, ${indexedSince.at}`,
  );
  for (const file of damaged) out.note(`of the index, ${file} was changed or its key is gone: requests in it count as possible`);
  out.note('not shown:');
  for (const line of SHOWS_NOT) out.note(`- ${line}`);
}

function rowOf(hit: HitView, how: string): string[] {
  const { seq, at, principal, onBehalfOf, session, approval, grant, result, statement } = hit;
  return [
    String(seq),
    at,
    principal === null ? '-' : actorText(principal),
    onBehalfOf === null ? '-' : actorText(onBehalfOf),
    how,
    result === null ? '-' : result.code === 'ok' ? String(result.rows) : `${result.rows} (${result.code})`,
    session,
    approval ?? grant ?? '-',
    statement ?? '-',
  ];
}
