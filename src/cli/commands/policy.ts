// `sallyport policy`: check files, run their tests, explain what would happen to a statement. The gateway does the
// work with the functions the gate itself uses, against the live catalogues.

import type { Command } from 'commander';
import { Option } from 'commander';
import type { z } from 'zod';
import type { PolicyFaultView } from '../answers.ts';
import { checkAnswer, explainAnswer, testAnswer } from '../answers.ts';
import { supposedPrincipal } from '../arguments.ts';
import { EXIT } from '../failure.ts';
import type { CliIo } from '../io.ts';
import type { Output } from '../output.ts';
import { printable } from '../output.ts';
import { policyFilesOf } from '../policy-files.ts';
import type { CommandSetting } from '../run.ts';
import { runOf, withExamples } from '../run.ts';

/** @returns the command they are below. */
export function policyCommands(program: Command, setting: CommandSetting): Command {
  const policy = program.command('policy').description('check, test, explain, compare, replay and apply policy');

  withExamples(
    policy
      .command('check [files...]')
      .description('check policy files against schema and live catalogues; without files, the policy in force')
      .option('--propose', 'propose classes for columns that nothing protects and whose names say that they are', false)
      .option(
        '--sample',
        'the same, and look at some values of every table; only counts are shown, and that it was done is recorded',
        false,
      )
      .action(async (files: string[], options: { propose: boolean; sample: boolean }, command: Command) => {
        const { io, out, api } = runOf(command, setting);
        const proposals = options.sample ? 'by-sample' : options.propose ? 'by-name' : 'none';
        const body = { ...(await filesBody(io, files)), ...(proposals === 'none' ? {} : { proposals }) };
        const { raw, value } = await (await api()).post('/v1/policy/check', body, checkAnswer);
        if (!value.ok) setting.exitWith(EXIT.failed);
        if (out.isJson) return out.json(raw);
        printFaults(out, value.faults);
        if (value.proposals.length > 0) {
          out.table(
            ['looks protected', 'as', 'because'],
            value.proposals.map(({ column, class: name, evidence }) => [column, name, evidence]),
          );
        }
        for (const note of value.notes) out.note(note);
        out.line(value.ok ? out.colors.green(printable(`policy ${value.sha256 ?? ''} is good`)) : out.colors.red('policy has faults'));
      }),
    ['sallyport policy check', 'sallyport policy check policy.yaml', 'sallyport policy check policy/', 'sallyport policy check --sample'],
  );

  withExamples(
    policy
      .command('test [files...]')
      .description('run the tests in policy files; without files, of the policy in force')
      .action(async (files: string[], _options: object, command: Command) => {
        const { io, out, api } = runOf(command, setting);
        const { raw, value } = await (await api()).post('/v1/policy/test', await filesBody(io, files), testAnswer);
        if (!value.ok) setting.exitWith(EXIT.failed);
        if (out.isJson) return out.json(raw);
        printFaults(out, value.faults);
        for (const test of value.tests) {
          out.line(`${test.passed ? out.colors.green('pass') : out.colors.red('FAIL')}  ${printable(test.name)}`);
          for (const difference of test.differences) out.line(`      ${printable(difference)}`);
        }
        const failed = value.tests.filter((test) => !test.passed).length;
        out.line(`${value.tests.length} tests, ${failed} failed`);
      }),
    ['sallyport policy test', 'sallyport policy test policy.yaml packs/extra.yaml'],
  );

  withExamples(
    policy
      .command('explain <sql>')
      .description('what would happen to a statement, and why; nothing is run. With - the statement is read from standard input')
      .requiredOption('--target <name>', 'the target it would be sent to')
      .option('--as <principal>', 'issuer/subject[:group,...] instead of yourself (needs an oversight role)', supposedPrincipal)
      .addOption(
        new Option('--kind <kind>', 'kind of the principal given with --as').choices(['person', 'agent', 'service']).default('agent'),
      )
      .action(async (text: string, options: ExplainOptions, command: Command) => {
        const { io, out, api } = runOf(command, setting);
        // Constants of a statement may be protected: arguments are readable by every process of the machine.
        const sql = text === '-' ? await io.readStdin() : text;
        const body = { sql, target: options.target, ...(options.as === undefined ? {} : { as: { ...options.as, kind: options.kind } }) };
        const { raw, value } = await (await api()).post('/v1/policy/explain', body, explainAnswer);
        if (value.decision.outcome === 'deny') setting.exitWith(EXIT.failed);
        if (out.isJson) return out.json(raw);
        printExplanation(out, value);
      }),
    [
      'sallyport policy explain "SELECT * FROM patients" --target clinic',
      'sallyport policy explain - --target clinic < statement.sql',
      'sallyport policy explain "SELECT ssn FROM patients WHERE id = 7" --target clinic --as corp/agent-1:ai-agents',
    ],
  );
  return policy;
}

interface ExplainOptions {
  readonly target: string;
  readonly as?: ReturnType<typeof supposedPrincipal>;
  readonly kind: string;
}

export async function filesBody(io: CliIo, paths: readonly string[]): Promise<object> {
  return paths.length === 0 ? {} : { files: await policyFilesOf(io, paths) };
}

export function printFaults(out: Output, faults: readonly PolicyFaultView[]): void {
  for (const fault of faults) {
    const place = `${fault.file}:${fault.line}:${fault.column}`;
    const severity = fault.severity === 'error' ? out.colors.red('error') : out.colors.yellow('warning');
    const path = fault.path === '' ? '' : ` ${fault.path}:`;
    const hint = fault.suggestion === null ? '' : `, did you mean "${fault.suggestion}"?`;
    out.line(`${printable(place)} ${severity}${printable(`${path} ${fault.what}${hint}`)}`);
  }
}

function printExplanation(out: Output, value: z.infer<typeof explainAnswer>): void {
  const { decision, facts } = value;
  const paint = { allow: out.colors.green, hold: out.colors.yellow, deny: out.colors.red }[decision.outcome] ?? out.colors.bold;
  out.line(paint(out.colors.bold(printable(decision.outcome))));
  out.facts([
    ['as', `${value.as.issuer}/${value.as.subject} (${value.as.kind}) roles: ${decision.roles.join(', ') || 'none'}`],
    ['reasons', decision.reasons.join(', ') || '-'],
    ['rules', decision.rules.join(', ') || '-'],
    ...(decision.say === null ? [] : [['says', decision.say] as const]),
    ...(decision.approvers === null ? [] : [['needs', `${decision.approvers.count} of role ${decision.approvers.role}`] as const]),
    ['does', facts.effects.join(', ') || 'nothing'],
    ['touches', facts.relations.map((relation) => `${relation.name} (${relation.access})`).join(', ') || '-'],
    ...(value.missingEffects.length === 0 ? [] : [['not granted', value.missingEffects.join(', ')] as const]),
    ['bounded', facts.unbounded ? 'no' : 'yes'],
    ['predicates', facts.predicateClasses.join(', ') || '-'],
    ...(value.forward === null ? [] : [['forwarded', value.forward] as const]),
    ['policy', decision.policySha256],
  ]);
  if (facts.unknowns.length > 0) {
    out.line();
    out.table(
      ['not understood', 'what', 'instead'],
      facts.unknowns.map((unknown) => [unknown.code, unknown.what, unknown.remedy]),
    );
  }
  if (value.outputs.length > 0) {
    out.line();
    out.table(
      ['column', 'made from', 'classes', 'shown as'],
      value.outputs.map((output) => [output.name, output.sources.join(' ') || '-', output.classes.join(' ') || '-', output.mask]),
    );
  }
  if (value.rules.length > 0) {
    out.line();
    out.table(
      ['rule', 'then', 'outcome', 'when'],
      value.rules.map((trial) => [trial.rule, trial.then, trial.outcome, trial.detail ?? trial.when ?? '']),
    );
  }
}
