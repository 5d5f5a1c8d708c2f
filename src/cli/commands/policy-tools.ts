// `sallyport policy diff|history|apply|rollback|replay` and `sallyport access report`: questions to the gateway about versions of the
// policy and about what was asked under them.

import type { Command } from 'commander';
import { moment, namedPrincipal, rowLimit, textList } from '../arguments.ts';
import { EXIT, usageFailure } from '../failure.ts';
import type { CliIo } from '../io.ts';
import type { Output } from '../output.ts';
import { printable } from '../output.ts';
import { type AccessReportView, accessReportAnswer, applyAnswer, diffAnswer, historyAnswer, replayAnswer } from '../policy-answers.ts';
import { diffLines, printDiff, printReplay, reportProgress } from '../policy-output.ts';
import type { CommandSetting } from '../run.ts';
import { runOf, withExamples } from '../run.ts';
import { filesBody, printFaults } from './policy.ts';

interface Period {
  readonly since: string;
  readonly until?: string;
  readonly target?: string;
  readonly principal?: { readonly issuer: string; readonly subject: string };
}

/** @param policy the command they are below. */
export function policyToolCommands(policy: Command, setting: CommandSetting): void {
  withExamples(
    policy
      .command('diff <old> [new]')
      .description(
        'which roles gain or lose what, from <old> to [new] (default: running). Each is running, configured (the files of the configuration), ' +
          'the beginning of a hash, or files with commas between them',
      )
      .action(async (from: string, to: string | undefined, _options: object, command: Command) => {
        const { io, out, api } = runOf(command, setting);
        const body = { from: await referenceOf(io, from), to: await referenceOf(io, to ?? 'running') };
        const { raw, value } = await (await api()).post('/v1/policy/diff', body, diffAnswer);
        if (value.diff?.isEqual !== true) setting.exitWith(EXIT.failed);
        if (out.isJson) return out.json(raw);
        printFaults(out, value.faults);
        if (value.diff !== null) printDiff(out, value.diff);
      })
      .addHelpText('after', '\nExit code: 0 when they give the same, 1 when they differ or one does not load.'),
    ['sallyport policy diff running policy.yaml', 'sallyport policy diff 3f9a11c2', 'sallyport policy diff 3f9a11c2 77b0e4d1 --json'],
  );

  withExamples(
    policy
      .command('history')
      .description('versions that were in force, newest first: when, who, what changed')
      .option('--limit <n>', 'how many', rowLimit, 20)
      .action(async ({ limit }: { limit: number }, command: Command) => {
        const { out, api } = runOf(command, setting);
        const { raw, value } = await (await api()).get('/v1/policy/history', { limit }, historyAnswer);
        if (out.isJson) return out.json(raw);
        out.table(
          ['version', 'since', 'how', 'who', 'changed'],
          value.applications.map(({ sha256, at, how, by, isInstead, diff }) => [
            sha256.slice(0, 12),
            at,
            isInstead ? `${how}, instead of the files` : how,
            by === null ? 'the files' : `${by.issuer}/${by.subject}`,
            diff === null ? '-' : countsText(diffLines(diff).length),
          ]),
        );
        out.note(`in force: ${value.inForce}`);
      }),
    ['sallyport policy history', 'sallyport policy history --json'],
  );

  withExamples(
    policy
      .command('apply [files...]')
      .description(
        'bring policy files into force, without files those of the configuration: checked, their tests run, recorded with you as author. Needs the operator role',
      )
      .option('--expect <hash>', 'refuse when another version is in force by now')
      .option('--skip-tests', "do not run the policy's own tests; recorded", false)
      .action(async (files: string[], options: ApplyOptions, command: Command) => {
        const { io } = runOf(command, setting);
        await bring('/v1/policy/apply', await filesBody(io, files), options, command, setting);
      }),
    ['sallyport policy apply', 'sallyport policy apply policy.yaml --expect $(sallyport policy history --json | jq -r .inForce)'],
  );

  withExamples(
    policy
      .command('rollback <hash>')
      .description('bring an earlier version into force, through the same checks; recorded. Needs the operator role')
      .option('--expect <hash>', 'refuse when another version is in force by now')
      .option('--skip-tests', "do not run the policy's own tests; recorded", false)
      .action((hash: string, options: ApplyOptions, command: Command) =>
        bring('/v1/policy/rollback', { sha256: hashPrefix(hash) }, options, command, setting),
      ),
    ['sallyport policy rollback 3f9a11c2'],
  );

  withExamples(
    withPeriod(
      policy
        .command('replay [files...]')
        .description('decide every recorded request of a period again under other policy files and list what would change')
        .option('--under <hash>', 'under a version that was in force before, instead of files'),
      '7d',
    )
      .action(async (files: string[], { under, ...period }: Period & { under?: string }, command: Command) => {
        const { io, out, api } = runOf(command, setting);
        if ((under === undefined) === (files.length === 0)) throw usageFailure('give policy files, or --under', 'One of them, not both.');
        const policyBody =
          under === undefined ? { kind: 'files', ...(await filesBody(io, files)) } : { kind: 'version', sha256: hashPrefix(under) };
        const body = { policy: policyBody, ...periodBody(period) };
        const { raw, value } = await (await api()).work('/v1/policy/replay', body, reportProgress(out), replayAnswer);
        const { report } = value;
        if (report === null || report.unchanged < report.requests) setting.exitWith(EXIT.failed);
        if (out.isJson) return out.json(raw);
        printFaults(out, value.faults);
        if (report !== null) printReplay(out, report);
      })
      .addHelpText('after', '\nExit code: 0 when nothing would change; 1 when something would, or a request cannot be decided again.'),
    [
      'sallyport policy replay policy.yaml --since 7d',
      'sallyport policy replay policy.yaml --since 2026-11-01 --until 2026-11-08 --target clinic',
      'sallyport policy replay --under 3f9a11c2 --since 24h --principal corp/agent-1 --json',
    ],
  );
}

/** @returns the command `access`. */
export function accessCommands(program: Command, setting: CommandSetting): Command {
  const access = program.command('access').description('access that is given, and what is used of it');
  withExamples(
    withPeriod(
      access
        .command('report')
        .description('minimum necessary: granted and used access by role, and the policy that would have sufficed')
        .option('--role <names>', 'only these roles, with commas between them', textList)
        .option('--policy', 'print the policy that would have sufficed, and nothing else', false),
      '30d',
    ).action(async ({ role, policy, ...period }: Period & { role?: string[]; policy: boolean }, command: Command) => {
      const { out, api } = runOf(command, setting);
      const body = { ...(role === undefined ? {} : { roles: role }), ...periodBody(period) };
      const { raw, value } = await (await api()).work('/v1/access/report', body, reportProgress(out), accessReportAnswer);
      if (policy && value.shrunk.files === null) setting.exitWith(EXIT.failed);
      if (out.isJson) return out.json(raw);
      if (!policy) return printAccess(out, value);
      for (const note of value.shrunk.notes) out.note(note);
      for (const { name, text } of value.shrunk.files ?? []) {
        if ((value.shrunk.files?.length ?? 0) > 1) out.line(`# ${printable(name)}`);
        out.line(text.trimEnd().split('\n').map(printable).join('\n'));
      }
    }),
    [
      'sallyport access report --since 30d',
      'sallyport access report --role reporting-agent --json',
      'sallyport access report --policy > smaller.yaml',
    ],
  );
  return access;
}

interface ApplyOptions {
  readonly expect?: string;
  readonly skipTests: boolean;
}

async function bring(path: string, body: object, options: ApplyOptions, command: Command, setting: CommandSetting): Promise<void> {
  const { out, api } = runOf(command, setting);
  const { expect, skipTests } = options;
  const { raw, value } = await (
    await api()
  ).post(path, { ...body, skipTests, ...(expect === undefined ? {} : { expected: expect }) }, applyAnswer);
  if (!value.ok) setting.exitWith(EXIT.failed);
  if (out.isJson) return out.json(raw);
  printFaults(out, value.faults);
  for (const test of value.tests.filter(({ passed }) => !passed)) {
    out.line(`${out.colors.red('FAIL')}  ${printable(test.name)}`);
    for (const difference of test.differences) out.line(`      ${printable(difference)}`);
  }
  if (value.diff !== null) printDiff(out, value.diff);
  const { green, red } = out.colors;
  if (!value.ok) return out.line(red('not applied'));
  out.line(green(printable(value.isChanged ? `policy ${value.sha256 ?? ''} is in force` : 'it is in force already')));
}

function withPeriod(command: Command, since: string): Command {
  return command
    .option('--since <time>', 'how long ago, or a time', (text) => moment(text), moment(since))
    .option('--until <time>', 'the same; default now', (text) => moment(text))
    .option('--target <name>', 'only this target')
    .option('--principal <issuer/subject>', 'only this principal', namedPrincipal);
}

function periodBody({ since, until, target, principal }: Period): object {
  return {
    since,
    ...(until === undefined ? {} : { until }),
    ...(target === undefined ? {} : { target }),
    ...(principal === undefined ? {} : { principal }),
  };
}

const HASH = /^[0-9a-f]{6,64}$/;

function hashPrefix(text: string): string {
  if (!HASH.test(text))
    throw usageFailure(`${printable(text)} is not the beginning of a hash`, 'Give at least 6 of its characters: sallyport policy history.');
  return text;
}

async function referenceOf(io: CliIo, text: string): Promise<object> {
  if (text === 'running' || text === 'configured') return { kind: text };
  if (HASH.test(text)) return { kind: 'version', sha256: text };
  return { kind: 'files', ...(await filesBody(io, text.split(','))) };
}

function countsText(lines: number): string {
  return lines === 0 ? 'nothing' : `${lines} ${lines === 1 ? 'thing' : 'things'}`;
}

function printAccess(out: Output, report: AccessReportView): void {
  out.facts([
    ['requests', `${report.requests}, of which ${report.denied} denied`],
    ['policy', report.policySha256],
  ]);
  for (const { reason, count } of report.unknown) out.note(`${count} requests are not counted: ${reason}`);
  for (const role of report.roles) {
    out.line();
    out.line(out.colors.bold(printable(`${role.role}: ${role.requests} requests of ${role.principalCount} principals`)));
    out.facts([
      [
        'granted',
        role.granted.map(({ targets, effects, how }) => `${effects.join(' ')} on ${targets.join(' ')} (${how})`).join('; ') || '-',
      ],
      ['unused targets', role.unused.targets.join(' ') || '-'],
      ['unused effects', role.unused.effects.map(({ target, effects }) => `${effects.join(' ')} on ${target}`).join('; ') || '-'],
      ['clear, untouched', role.unused.clearClasses.join(' ') || '-'],
    ]);
    for (const used of role.used) {
      out.table(
        [`used on ${used.target}`, 'what', 'how often'],
        [
          ...used.effects.map(({ effect, count }) => ['effect', effect, String(count)]),
          ...used.relations.map(({ name, read, written }) => ['table', name, `read ${read}, written ${written}`]),
          ...used.classes.map(({ class: name, count, shownAs }) => ['class', `${name} as ${shownAs}`, String(count)]),
        ],
      );
    }
  }
  out.line();
  for (const note of report.shrunk.notes) out.line(out.colors.yellow(printable(note)));
  if (report.shrunk.files !== null)
    out.note(`a smaller policy would have sufficed for ${report.shrunk.proven} requests: sallyport access report --policy`);
}
