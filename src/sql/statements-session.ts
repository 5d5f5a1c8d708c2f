// Statements about the session: transactions, settings, DISCARD. Settings are by allow-list, with constants only.

import { UNKNOWN_NAME } from './resolve.ts';
import { isReadableSetting, isSettable, refusedOwnSetting } from './settings.ts';
import type { StatementPlan } from './statements-plan.ts';
import type { Body } from './rewrite.ts';

const REMEDY_SETTING = 'This setting, or this value, is fixed by the gateway.';

const TRANSACTION_KINDS: Readonly<Record<string, readonly [string, 'begin' | 'commit' | 'rollback' | 'savepoint']>> = {
  TRANS_STMT_BEGIN: ['BEGIN', 'begin'],
  TRANS_STMT_START: ['BEGIN', 'begin'],
  TRANS_STMT_COMMIT: ['COMMIT', 'commit'],
  TRANS_STMT_ROLLBACK: ['ROLLBACK', 'rollback'],
  TRANS_STMT_SAVEPOINT: ['SAVEPOINT', 'savepoint'],
  TRANS_STMT_RELEASE: ['RELEASE', 'savepoint'],
  TRANS_STMT_ROLLBACK_TO: ['ROLLBACK TO', 'savepoint'],
};

export function transaction(plan: StatementPlan, body: Body): void {
  const row = TRANSACTION_KINDS[String(body['kind'])];
  if (row === undefined) {
    plan.refuse('statement-kind', 'two-phase commit', 'Use COMMIT or ROLLBACK.');
    return;
  }
  [plan.verb, plan.transaction] = row;
  // Deferred triggers run at commit.
  if (plan.transaction === 'commit') plan.hideMessages();
}

/** SET CONSTRAINTS IMMEDIATE runs deferred triggers. */
export function constraintsSet(plan: StatementPlan): void {
  plan.hideMessages();
}

export function setVariable(plan: StatementPlan, body: Body): void {
  const kind = body['kind'];
  const name = String(body['name'] ?? '');
  if (kind === 'VAR_RESET_ALL' || kind === 'VAR_RESET') plan.verb = 'RESET';
  if (kind === 'VAR_RESET_ALL') return;
  const own = refusedOwnSetting(name);
  if (own !== null) return plan.findings.refuse(own);
  const refused =
    kind === 'VAR_SET_MULTI'
      ? name !== 'TRANSACTION' && name !== 'SESSION CHARACTERISTICS'
      : kind === 'VAR_SET_VALUE'
        ? !isSettable(name, constantList(body['args']))
        : (kind !== 'VAR_RESET' && kind !== 'VAR_SET_DEFAULT') || !isSettable(name, null);
  if (refused) plan.refuse('setting', settingName(name), REMEDY_SETTING);
}

/** Facts go into records: what is no plain word may be data, and is not shown. */
function settingName(name: string): string {
  return /^[A-Za-z_ ]{1,40}$/.test(name) ? name : UNKNOWN_NAME;
}

export function showVariable(plan: StatementPlan, body: Body): void {
  const name = String(body['name'] ?? '');
  // SHOW of names with spaces (`TIME ZONE`, `SESSION AUTHORIZATION`) comes folded from the grammar.
  const own = refusedOwnSetting(name);
  if (own !== null) plan.findings.refuse(own);
  else if (name !== 'all' && isReadableSetting(name)) plan.outputs = [{ name, sources: [], classes: [] }];
  else plan.refuse('setting', `SHOW ${settingName(name)}`, 'Only harmless settings can be shown.');
}

/** Its answers are texts of other sessions, from any table. */
export function listen(plan: StatementPlan): void {
  plan.findings.effect('read');
  if (plan.lenient) return;
  plan.refuse(
    'statement-kind',
    'LISTEN while anything is masked: payloads are text that no mask covers',
    'Ask a table for what has changed instead.',
  );
}

export function discard(plan: StatementPlan, body: Body): void {
  switch (body['target']) {
    case 'DISCARD_ALL':
    case 'DISCARD_TEMP':
      plan.changes.push({ kind: 'discard-all' });
      break;
    case undefined:
    case 'DISCARD_PLANS':
    case 'DISCARD_SEQUENCES':
      break;
    default:
      plan.walker.refuseNode('DiscardStmt.target');
  }
}

/** Text of a constant node; null = not a constant. */
export function constantText(node: Body | undefined): string | null {
  const constant = node?.['A_Const'] as Body | undefined;
  if (constant === undefined) return null;
  const text = (constant['sval'] as Body | undefined)?.['sval'];
  if (typeof text === 'string') return text;
  if (constant['sval'] !== undefined) return '';
  const integer = constant['ival'] as Body | undefined;
  if (integer !== undefined) return String(integer['ival'] ?? 0);
  const float = (constant['fval'] as Body | undefined)?.['fval'];
  if (typeof float === 'string') return float;
  const flag = constant['boolval'] as Body | undefined;
  return flag === undefined ? null : String(flag['boolval'] ?? false);
}

/** Constants of a SET list joined as PostgreSQL joins them; an impossible value when one is not a constant. */
function constantList(args: unknown): string {
  const parts = ((args ?? []) as Body[]).map((each) => constantText(each) ?? intervalText(each));
  return parts.some((part) => part === null) ? '\0' : parts.join(', ');
}

/** `SET TIME ZONE INTERVAL '...'`: a cast of a constant to a built-in type. */
function intervalText(node: Body): string | null {
  const cast = node['TypeCast'] as Body | undefined;
  return cast === undefined ? null : constantText(cast['arg'] as Body | undefined);
}
