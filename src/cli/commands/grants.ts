// `sallyport grants`: what is offered, list, show, answer, take back, review, and lending the right to answer.

import type { Command } from 'commander';
import { Option } from 'commander';
import { durationText } from '../../core/duration.ts';
import {
  actorText,
  delegationAnswer,
  delegationEndedAnswer,
  delegationsAnswer,
  grantAnswer,
  grantsAnswer,
  offersAnswer,
} from '../answers.ts';
import { duration, namedPrincipal, rowLimit } from '../arguments.ts';
import { paintGrantState, printGrant } from '../grant-output.ts';
import { printable } from '../output.ts';
import type { CommandSetting } from '../run.ts';
import { runOf, withExamples } from '../run.ts';
import { recertifyCommand } from './recertify.ts';

const STATES = ['requested', 'active', 'denied', 'revoked', 'expired', 'ended'];
const EXAMPLE_ID = 'grt_aaaaaaaaaaaaaaaaaaaaaaaaaa';
const EXAMPLE_DELEGATION = 'dlg_aaaaaaaaaaaaaaaaaaaaaaaaaa';
const pathOf = (id: string): string => `/v1/grants/${encodeURIComponent(id)}`;

export function grantCommands(program: Command, setting: CommandSetting): void {
  const grants = program.command('grants').description('access for a time: requests, answers, reviews');
  listing(grants, setting);
  answering(grants, setting);
  ending(grants, setting);
  delegating(grants, setting);
  recertifyCommand(grants, setting);
}

function listing(grants: Command, setting: CommandSetting): void {
  withExamples(
    grants
      .command('offers [target]')
      .description('access you may ask for')
      .action(async (target: string | undefined, _options: object, command: Command) => {
        const { out, api } = runOf(command, setting);
        const { raw, value } = await (await api()).get('/v1/grants/offers', { target }, offersAnswer);
        if (out.isJson) return out.json(raw);
        if (value.offers.length === 0) return out.note('no role of yours offers access on request');
        out.table(
          ['target', 'role', 'how', 'may', 'at most', 'answered by'],
          value.offers.map((offer) => [
            offer.target,
            offer.role,
            offer.kind,
            offer.effects.join(' '),
            durationText(offer.maxDurationMs),
            offer.kind === 'break-glass'
              ? `nobody; reviewed by ${offer.approvers.role}`
              : `${offer.approvers.count} of ${offer.approvers.role}`,
          ]),
        );
      }),
    ['sallyport grants offers', 'sallyport grants offers clinic --json'],
  );

  withExamples(
    grants
      .command('list')
      .alias('ls')
      .description('grants you may see, newest first')
      .addOption(new Option('--state <state>', 'only this state').choices(STATES))
      .option('--review-owed', 'only break-glass that was not reviewed')
      .option('--limit <n>', 'how many', rowLimit, 50)
      .action(async (options: { state?: string; reviewOwed?: true; limit: number }, command: Command) => {
        const { out, api } = runOf(command, setting);
        const query = { state: options.state, review: options.reviewOwed === true ? 'owed' : undefined, limit: options.limit };
        const { raw, value } = await (await api()).get('/v1/grants', query, grantsAnswer);
        if (out.isJson) return out.json(raw);
        if (value.grants.length === 0) return out.note('no grant');
        out.table(
          ['grant', 'state', 'who', 'role', 'target', 'may', 'for', 'until', 'review'],
          value.grants.map((row) => [
            row.id,
            row.state,
            actorText(row.requester, row.onBehalfOf),
            row.role,
            row.target,
            row.effects.join(' '),
            durationText(row.durationMs),
            row.expiresAt ?? '-',
            row.review === 'none' ? '-' : row.review,
          ]),
          (cell, column) => (column === 1 ? paintGrantState(out, cell) : cell),
        );
      }),
    ['sallyport grants list --state requested', 'sallyport grants list --review-owed --json'],
  );

  withExamples(
    grants
      .command('show <id>')
      .description('everything about one grant')
      .action(async (id: string, _options: object, command: Command) => {
        const { out, api } = runOf(command, setting);
        const { raw, value } = await (await api()).get(pathOf(id), {}, grantAnswer);
        if (out.isJson) return out.json(raw);
        printGrant(out, value);
      }),
    [`sallyport grants show ${EXAMPLE_ID}`],
  );
}

function answering(grants: Command, setting: CommandSetting): void {
  for (const verdict of ['approve', 'deny'] as const) {
    withExamples(
      grants
        .command(`${verdict} <id>`)
        .description(verdict === 'approve' ? 'let them in, for the time they asked for' : 'refuse the request')
        .option('--reason <text>', 'why; kept sealed, read only by auditors')
        .action(async (id: string, options: { reason?: string }, command: Command) => {
          const { out, api } = runOf(command, setting);
          const body = { verdict, ...(options.reason === undefined ? {} : { justification: options.reason }) };
          const { raw, value } = await (await api()).post(`${pathOf(id)}/answer`, body, grantAnswer);
          if (out.isJson) return out.json(raw);
          out.line(`${printable(value.id)} is ${paintGrantState(out, printable(value.state))}`);
          const missing = value.approvers.count - value.answers.filter((answer) => answer.verdict === 'approve').length;
          if (value.state === 'requested') out.note(`${missing} more of role ${value.approvers.role} must approve`);
          if (value.state === 'active') out.note(`until ${value.expiresAt ?? ''}`);
        }),
      [`sallyport grants ${verdict} ${EXAMPLE_ID} --reason "ticket 4711"`],
    );
  }
}

function ending(grants: Command, setting: CommandSetting): void {
  withExamples(
    grants
      .command('revoke <id>')
      .description('take a grant back; its sessions end at once. Your own: give it back')
      .option('--reason <text>', 'why; kept sealed, read only by auditors')
      .action(async (id: string, options: { reason?: string }, command: Command) => {
        const { out, api } = runOf(command, setting);
        const { raw, value } = await (await api()).post(`${pathOf(id)}/revoke`, { ...options }, grantAnswer);
        if (out.isJson) return out.json(raw);
        out.line(`${printable(value.id)} is ${paintGrantState(out, printable(value.state))}`);
      }),
    [`sallyport grants revoke ${EXAMPLE_ID} --reason "left the ward"`],
  );

  withExamples(
    grants
      .command('review <id>')
      .description('end the review that break-glass access owes')
      .requiredOption('--finding <text>', 'what you found; kept sealed, read only by auditors')
      .action(async (id: string, options: { finding: string }, command: Command) => {
        const { out, api } = runOf(command, setting);
        const { raw, value } = await (await api()).post(`${pathOf(id)}/review`, { finding: options.finding }, grantAnswer);
        if (out.isJson) return out.json(raw);
        out.line(`${printable(value.id)} is reviewed`);
      }),
    [`sallyport grants review ${EXAMPLE_ID} --finding "justified, chart updated"`],
  );
}

function delegating(grants: Command, setting: CommandSetting): void {
  withExamples(
    grants
      .command('delegate <role> <issuer/subject>')
      .description('lend a role of yours to a person, for answering only; they never answer what you asked')
      .requiredOption('--for <time>', 'how long, at most 30d', duration)
      .action(async (role: string, to: string, options: { for: number }, command: Command) => {
        const { out, api } = runOf(command, setting);
        const body = { role, to: namedPrincipal(to), durationMs: options.for };
        const { raw, value } = await (await api()).post('/v1/delegations', body, delegationAnswer);
        if (out.isJson) return out.json(raw);
        out.line(`${printable(value.id)} until ${printable(value.expiresAt)}`);
      }),
    ['sallyport grants delegate privacy-officer corp/dave --for 12h'],
  );

  withExamples(
    grants
      .command('delegations')
      .description('roles that are lent now')
      .action(async (_options: object, command: Command) => {
        const { out, api } = runOf(command, setting);
        const { raw, value } = await (await api()).get('/v1/delegations', {}, delegationsAnswer);
        if (out.isJson) return out.json(raw);
        if (value.delegations.length === 0) return out.note('no role is lent');
        out.table(
          ['delegation', 'role', 'from', 'to', 'until'],
          value.delegations.map((row) => [row.id, row.role, actorText(row.from), `${row.to.issuer}/${row.to.subject}`, row.expiresAt]),
        );
      }),
    ['sallyport grants delegations'],
  );

  withExamples(
    grants
      .command('undelegate <id>')
      .description('take a lent role back')
      .action(async (id: string, _options: object, command: Command) => {
        const { out, api } = runOf(command, setting);
        const { raw } = await (await api()).post(`/v1/delegations/${encodeURIComponent(id)}/end`, {}, delegationEndedAnswer);
        if (out.isJson) return out.json(raw);
        out.line(`${printable(id)} has ended`);
      }),
    [`sallyport grants undelegate ${EXAMPLE_DELEGATION}`],
  );
}
