// Plain words for the codes of docs/approvals.md.

import type { ApprovalDetail } from './queries.ts';

type Preview = NonNullable<ApprovalDetail['preview']>;

export const NOT_COUNTED: Readonly<Record<NonNullable<Preview['notCounted']>, string>> = {
  'switched-off': 'trial runs are switched off for this target',
  statement: 'it is not one single INSERT, UPDATE or DELETE',
  session: 'it depends on the session it comes from',
  tokens: 'it has tokens in it',
  'too-many-rows': 'the planner expects more than 10,000 rows',
  trigger: 'a trigger would run',
  rule: 'a rule would rewrite it',
  view: 'it writes through a view',
  'foreign-table': 'another server would not forget it',
  default: 'a default would use up a sequence',
  'volatile-function': 'it calls a function that may leave something behind',
  cascade: 'a foreign key would change other tables',
  'deferred-constraint': 'something is checked at commit only',
  code: 'code of the database would run',
  busy: 'the table was locked, or there was no time',
  failed: 'the target refused the trial',
};

export const NOT_SAMPLED: Readonly<Record<Exclude<NonNullable<Preview['sampling']>, 'taken'>, string>> = {
  statement: 'it is not one plain UPDATE or DELETE of one table',
  protected: 'protected values decide which rows there are',
  failed: 'the target refused, or had no time',
  gone: 'they are not kept any longer',
};
