// `sallyport review sign|ls`, `access leavers`, `audit coverage`, `siem`: what somebody has looked at, and what nobody has.

import type { Command } from 'commander';
import { actorText } from '../answers.ts';
import { logIndex, moment, namedPrincipal, rowLimit } from '../arguments.ts';
import { EXIT, usageFailure } from '../failure.ts';
import type { Output } from '../output.ts';
import {
  coverageAnswer,
  type CoverageView,
  leaversAnswer,
  type LeaverView,
  reviewsAnswer,
  siemAnswer,
  siemDestinationAnswer,
  signedReviewAnswer,
} from '../review-answers.ts';
import type { CommandSetting } from '../run.ts';
import { runOf, withExamples } from '../run.ts';

interface Period {
  readonly from: string;
  readonly to?: string;
}
const periodOf = ({ from, to }: Period): Record<string, string> => ({ since: from, ...(to === undefined ? {} : { until: to }) });

function withPeriod(command: Command, from?: string): Command {
  const text = 'start: how long ago (7d), or a time (2026-11-01)';
  const started =
    from === undefined
      ? command.requiredOption('--from <time>', text, (at) => moment(at))
      : command.option('--from <time>', text, (at) => moment(at), moment(from));
  return started.option('--to <time>', 'end, exclusive (default: now)', (at) => moment(at));
}

/** @param named the commands `audit` and `access`. */
export function reviewCommands(
  program: Command,
  setting: CommandSetting,
  named: { readonly audit: Command; readonly access: Command },
): void {
  const review = program.command('review').description('reviews of the record, signed into it (auditors)');

  withExamples(
    withPeriod(review.command('sign').description('sign that you have reviewed the entries of a period'))
      .requiredOption('--finding <text>', 'what you found; - reads it from standard input. Kept sealed, never in the log')
      .action(async ({ finding, ...period }: Period & { finding: string }, command: Command) => {
        const { io, out, api } = runOf(command, setting);
        const text = (finding === '-' ? await io.readStdin() : finding).trim();
        if (text === '') throw usageFailure('the finding is empty', 'Say what you found, also when it is nothing.');
        const { raw, value } = await (await api()).post('/v1/reviews', { ...periodOf(period), finding: text }, signedReviewAnswer);
        if (out.isJson) return out.json(raw);
        const { from, to, denied, failedLogIns, alarms, breakGlass } = value.range;
        out.line(`signed as entry ${value.seq}: entries ${from} to ${to - 1}`);
        out.note(`${denied} denied, ${failedLogIns} failed log-ins, ${alarms} alarms, ${breakGlass} break-glass`);
      }),
    [
      'sallyport review sign --from 7d --finding "nothing unusual"',
      'sallyport review sign --from 2026-11-01 --to 2026-11-08 --finding - < finding.txt',
    ],
  );

  withExamples(
    withPeriod(review.command('ls').description('reviews signed in a period, newest first'), '90d')
      .option('--limit <n>', 'how many', rowLimit, 100)
      .action(async ({ limit, ...period }: Period & { limit: number }, command: Command) => {
        const { out, api } = runOf(command, setting);
        const { raw, value } = await (await api()).get('/v1/reviews', { ...periodOf(period), limit }, reviewsAnswer);
        if (out.isJson) return out.json(raw);
        out.table(
          ['entry', 'signed', 'by', 'of', 'what'],
          value.reviews.map(({ seq, at, by, kind, range, subject }) => [
            String(seq),
            at,
            by === null ? '-' : actorText(by),
            kind,
            range === null ? (subject ?? '-') : `entries ${range.from} to ${range.to - 1}`,
          ]),
        );
      }),
    ['sallyport review ls', 'sallyport review ls --from 365d --json'],
  );

  withExamples(
    named.access
      .command('leavers')
      .description('what people and agents who are gone had and used, and what of it still stands (auditors)')
      .option('--gone <file>', 'issuer/subject, one a line; # starts a comment; - reads standard input')
      .option('--principal <issuer/subject>', 'one of them', namedPrincipal)
      .action(async (options: { gone?: string; principal?: { issuer: string; subject: string } }, command: Command) => {
        const { io, out, api } = runOf(command, setting);
        if ((options.gone === undefined) === (options.principal === undefined))
          throw usageFailure('give --gone, or --principal', 'One of them, not both.');
        const principals =
          options.principal !== undefined
            ? [options.principal]
            : listed(options.gone === '-' ? await io.readStdin() : await io.readText(options.gone ?? ''));
        const { raw, value } = await (await api()).post('/v1/reports/leavers', { principals }, leaversAnswer);
        if (value.leavers.some(({ isClear, reviewsOwed }) => !isClear || reviewsOwed.length > 0)) setting.exitWith(EXIT.failed);
        if (out.isJson) return out.json(raw);
        out.table(
          ['who', 'last seen', 'sessions', 'requests', 'targets', 'still open'],
          value.leavers.map((each) => [
            `${each.issuer}/${each.subject}`,
            each.used.lastAt ?? 'never',
            String(each.used.sessions),
            String(each.used.requests),
            each.used.targets.join(' ') || '-',
            openText(each),
          ]),
        );
      })
      .addHelpText(
        'after',
        '\nExit code: 0 when nothing of theirs is open, 1 when something is and no lock keeps it out, or a review is owed.',
      ),
    ['sallyport access leavers --principal corp/ana', 'sallyport access leavers --gone gone.txt --json'],
  );

  withExamples(
    withPeriod(
      named.audit
        .command('coverage')
        .description('what of a period nobody has a copy of, or nobody has reviewed; failed log-ins; silences (auditors)'),
      '30d',
    )
      .action(async (period: Period, command: Command) => {
        const { out, api } = runOf(command, setting);
        const { raw, value } = await (await api()).get('/v1/reports/coverage', periodOf(period), coverageAnswer);
        if (value.notAnchored > 0 || value.notReviewed.length > 0 || value.silences.some(({ kind }) => kind !== 'stopped'))
          setting.exitWith(EXIT.failed);
        if (out.isJson) return out.json(raw);
        printCoverage(out, value);
      })
      .addHelpText('after', '\nExit code: 0 when all entries have a copy elsewhere and a review and no silence is unexplained, else 1.'),
    ['sallyport audit coverage', 'sallyport audit coverage --from 2026-10-01 --to 2026-11-01 --json'],
  );

  const siem = program.command('siem');
  withExamples(
    siem
      .description('where the export to each SIEM destination is (auditors, operators)')
      .action(async (_options: object, command: Command) => {
        const { out, api } = runOf(command, setting);
        const { raw, value } = await (await api()).get('/v1/siem', {}, siemAnswer);
        if (value.destinations.some(({ fault }) => fault !== null)) setting.exitWith(EXIT.failed);
        if (out.isJson) return out.json(raw);
        out.table(
          ['name', 'kind', 'next entry', 'behind', 'sent', 'fault'],
          value.destinations.map(({ name, kind, next, lag, sent, fault }) => [
            name,
            kind,
            String(next),
            String(lag),
            String(sent),
            fault ?? '-',
          ]),
        );
      })
      .addHelpText('after', '\nExit code: 1 when a destination does not take entries.'),
    ['sallyport siem', 'sallyport siem --json'],
  );

  withExamples(
    siem
      .command('reset <destination>')
      .description('has a destination go on elsewhere in the log, also after log-rolled-back; an entry says who did (operators)')
      .requiredOption('--from <place>', 'beginning, now, or the index of the next entry to be sent', siemPlace)
      .action(async (destination: string, { from }: { from: string | number }, command: Command) => {
        const { out, api } = runOf(command, setting);
        const path = `/v1/siem/${encodeURIComponent(destination)}/reset`;
        const { raw, value } = await (await api()).post(path, { from }, siemDestinationAnswer);
        if (out.isJson) return out.json(raw);
        out.line(`${value.name} goes on from entry ${value.next}`);
      }),
    ['sallyport siem reset soc --from beginning', 'sallyport siem reset soc --from 120000'],
  );
}

function siemPlace(text: string): string | number {
  return text === 'beginning' || text === 'now' ? text : logIndex(text);
}

function listed(text: string): { issuer: string; subject: string }[] {
  const lines = text.split('\n').map((line) => line.replace(/#.*$/, '').trim());
  const principals = lines.flatMap((line, index) => {
    if (line === '') return [];
    try {
      return [namedPrincipal(line)];
    } catch {
      throw usageFailure(`line ${index + 1} is no issuer/subject`, 'One principal a line, such as corp/ana.');
    }
  });
  if (principals.length === 0) throw usageFailure('nobody is listed', 'One principal a line, such as corp/ana.');
  return principals;
}

function openText({ isLocked, open, reviewsOwed }: LeaverView): string {
  const parts = [
    ...open.sessions.map(({ id }) => `session ${id}`),
    ...open.grants.map(({ id, state }) => `grant ${id} ${state}`),
    ...open.approvals.map((id) => `approval ${id}`),
    ...open.delegations.map(({ id, isLender }) => `delegation ${id} ${isLender ? 'lent' : 'had'}`),
    ...reviewsOwed.map((id) => `review owed of ${id}`),
  ];
  return `${parts.join(', ') || 'nothing'}${isLocked ? ' (locked)' : ''}`;
}

function printCoverage(out: Output, value: CoverageView): void {
  const { entries, anchors, notAnchored, notReviewed, reviews, failedLogIns, silences } = value;
  const faults = Object.entries(failedLogIns.byFault).map(([fault, count]) => `${fault} ${count}`);
  out.facts([
    ['entries', `${entries.from} to ${entries.to - 1}`],
    [
      'copies elsewhere',
      anchors.map(({ name, from, upTo }) => `${name} ${from === 0 ? '' : `from ${from} `}up to ${upTo}`).join(', ') || 'none',
    ],
    ['without a copy', String(notAnchored)],
    ['not reviewed', notReviewed.map(({ from, to }) => `${from} to ${to - 1}`).join(', ') || 'nothing'],
    ['reviews', `${reviews.records} of the record, ${reviews.access} of access, ${reviews.breakGlass} of ${value.breakGlass} break-glass`],
    ['failed log-ins', `${failedLogIns.count}${faults.length === 0 ? '' : ` (${faults.join(', ')})`}`],
    ['alarms', String(value.alarms)],
    ['silences', silences.map(({ from, seconds, kind }) => `${kind} ${seconds} s from ${from}`).join(', ') || 'none'],
  ]);
  for (const [head, uses] of [
    ['target', value.targets],
    ['principal', value.principals],
  ] as const) {
    out.table(
      [head, 'requests', 'denied', 'without a copy', 'not reviewed'],
      uses.map(({ name, requests, denied, notAnchored: alone, notReviewed: unseen }) => [
        name,
        String(requests),
        String(denied),
        String(alone),
        String(unseen),
      ]),
    );
  }
}
