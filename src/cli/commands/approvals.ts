// `sallyport approvals`: list, show and answer held requests.

import type { Command } from 'commander';
import { Option } from 'commander';
import type { ApprovalAnswerView, RowSampleView } from '../answers.ts';
import { actorText, approvalAnswer, approvalDetailAnswer, approvalsAnswer } from '../answers.ts';
import { duration, rowLimit } from '../arguments.ts';
import type { Output } from '../output.ts';
import { printable } from '../output.ts';
import type { CommandSetting } from '../run.ts';
import { runOf, withExamples } from '../run.ts';
import { printSample } from '../sample-output.ts';

const STATES = ['pending', 'approved', 'denied', 'expired', 'cancelled', 'used'];
const EXAMPLE_ID = 'apr_aaaaaaaaaaaaaaaaaaaaaaaaaa';

export function approvalCommands(program: Command, setting: CommandSetting): void {
  const approvals = program.command('approvals').description('held requests and their answers');

  withExamples(
    approvals
      .command('ls')
      .description('list held requests you may see, newest first')
      .addOption(new Option('--state <state>', 'only this state').choices(STATES))
      .option('--limit <n>', 'how many', rowLimit, 50)
      .action(async (options: { state?: string; limit: number }, command: Command) => {
        const { out, api } = runOf(command, setting);
        const { raw, value } = await (await api()).get('/v1/approvals', { state: options.state, limit: options.limit }, approvalsAnswer);
        if (out.isJson) return out.json(raw);
        if (value.approvals.length === 0) return out.note('nothing is held');
        out.table(
          ['approval', 'state', 'who', 'target', 'rules', 'expires', 'statement'],
          value.approvals.map((row) => [
            row.id,
            row.state,
            actorText(row.requester, row.onBehalfOf),
            row.target,
            row.rules.join(' '),
            row.expiresAt,
            row.statement ?? '(not shown)',
          ]),
          (cell, column) => (column === 1 ? paintState(out, cell) : cell),
        );
      }),
    ['sallyport approvals ls', 'sallyport approvals ls --state pending --json'],
  );

  withExamples(
    approvals
      .command('show <id>')
      .description('everything a reviewer needs to know about one held request')
      .action(async (id: string, _options: object, command: Command) => {
        const { out, api } = runOf(command, setting);
        const { raw, value } = await (await api()).get(`/v1/approvals/${encodeURIComponent(id)}`, {}, approvalDetailAnswer);
        if (out.isJson) return out.json(raw);
        printApproval(out, value, value.sample);
      }),
    [`sallyport approvals show ${EXAMPLE_ID}`],
  );

  for (const verdict of ['approve', 'deny'] as const) {
    const answer = approvals
      .command(`${verdict} <id>`)
      .description(verdict === 'approve' ? 'let exactly this statement run, once or for a time' : 'refuse it; the client gets an error')
      .option('--reason <text>', 'why; kept sealed, read only by auditors');
    if (verdict === 'approve') answer.option('--for <time>', 'let the same statement run again until then: 15m, 2h; 8h at most', duration);
    withExamples(
      answer.action(async (id: string, options: { reason?: string; for?: number }, command: Command) => {
        const { out, api } = runOf(command, setting);
        const body = {
          verdict,
          ...(options.reason === undefined ? {} : { justification: options.reason }),
          ...(options.for === undefined ? {} : { forMs: options.for }),
        };
        const { raw, value } = await (await api()).post(`/v1/approvals/${encodeURIComponent(id)}/answer`, body, approvalAnswer);
        if (out.isJson) return out.json(raw);
        out.line(`${printable(value.id)} is ${paintState(out, printable(value.state))}`);
        const missing = value.approvers.count - value.answers.filter((answer) => answer.verdict === 'approve').length;
        if (value.state === 'pending') out.note(`${missing} more of role ${value.approvers.role} must approve`);
      }),
      [
        `sallyport approvals ${verdict} ${EXAMPLE_ID} --reason "ticket 4711"`,
        ...(verdict === 'approve' ? [`sallyport approvals approve ${EXAMPLE_ID} --for 15m`] : []),
      ],
    );
  }
}

function printApproval(out: Output, approval: ApprovalAnswerView, sample: RowSampleView | null): void {
  out.facts([
    ['approval', approval.id],
    ['state', approval.state],
    ['who', actorText(approval.requester, approval.onBehalfOf)],
    ['target', approval.target],
    ['session', approval.session],
    ['statement', approval.statement ?? '(not shown: it could not be redacted safely)'],
    ['does', approval.effects.join(', ') || 'nothing'],
    ['touches', approval.relations.map((relation) => `${relation.name} (${relation.access})`).join(', ') || '-'],
    ...previewFacts(approval.preview),
    ...samplingFacts(approval.preview, sample),
    ['bounded', approval.unbounded ? 'no: it can return whole tables' : 'yes'],
    ['held by', approval.rules.join(', ')],
    ...(approval.say === null ? [] : [['says', approval.say] as const]),
    ['needs', `${approval.approvers.count} of role ${approval.approvers.role}`],
    ...approval.answers.map((answer) => ['answer', answerText(answer)] as const),
    ...(approval.uses === null ? [] : [['used', `${approval.uses} times so far; it may run until it expires`] as const]),
    ['asked', approval.createdAt],
    ['expires', approval.expiresAt],
  ]);
  if (sample !== null) printSample(out, sample);
  if (approval.outputs.length === 0) return;
  out.line();
  out.table(
    ['column', 'classes', 'shown as'],
    approval.outputs.map((output) => [output.name, output.classes.join(' ') || '-', output.mask]),
  );
}

function answerText({ verdict, by, at, forMs }: ApprovalAnswerView['answers'][number]): string {
  return `${verdict} by ${actorText(by)} at ${at}${forMs === null ? '' : `, for ${forMs / 60_000} minutes`}`;
}

/** Why rows were not counted, for people. */
const NOT_COUNTED: Readonly<Record<string, string>> = {
  'switched-off': 'the target is configured without trial runs (approvalPreview)',
  statement: 'only a single INSERT, UPDATE or DELETE can be tried',
  session: 'it depends on the session that asks',
  tokens: 'it has tokens in it',
  'too-many-rows': 'too many rows to try',
  trigger: 'a trigger would run',
  rule: 'a rule would run',
  view: 'it goes through a view',
  'foreign-table': 'it reaches another server',
  default: 'a default would advance a sequence or call a volatile function',
  'volatile-function': 'it calls a volatile function',
  cascade: 'a foreign key would change other tables',
  'deferred-constraint': 'a constraint is checked at commit only',
  code: 'code of the database would run',
  busy: 'the target was busy',
  failed: 'the target refused it: it may fail',
};

function previewFacts(preview: ApprovalAnswerView['preview']): [string, string][] {
  if (preview === null) return [];
  const { estimatedRows, affectedRows, notCounted } = preview;
  const facts: [string, string][] = [['estimate', estimatedRows === null ? 'unknown' : `about ${estimatedRows} rows`]];
  if (affectedRows !== null) facts.push(['would change', `${affectedRows} rows (tried and rolled back)`]);
  if (notCounted !== null) facts.push(['would change', `not counted: ${NOT_COUNTED[notCounted] ?? notCounted}`]);
  return facts;
}

/** Why no rows are shown, for people. */
const NO_SAMPLE: Readonly<Record<string, string>> = {
  statement: 'not shown: it is no plain UPDATE or DELETE of one table',
  protected: 'not shown: which rows, or what is stored in them, depends on protected values',
  failed: 'not shown: the target had no time, or refused',
  gone: 'not kept any longer: the gateway held too many',
  taken: 'shown to those who may answer, while they may',
};

function samplingFacts(preview: ApprovalAnswerView['preview'], sample: RowSampleView | null): [string, string][] {
  const sampling = preview?.sampling ?? null;
  if (sampling === null) return [];
  return [
    ['rows', sample === null ? (NO_SAMPLE[sampling] ?? sampling) : `${sample.rows.length} below; protected columns are masked (***)`],
  ];
}

function paintState(out: Output, state: string): string {
  if (state === 'pending') return out.colors.yellow(state);
  if (state === 'approved' || state === 'used') return out.colors.green(state);
  return state === 'denied' ? out.colors.red(state) : state;
}
