// How the command line shows grants.

import { durationText } from '../core/duration.ts';
import { actorText, type GrantAnswerView } from './answers.ts';
import type { Output } from './output.ts';

export function paintGrantState(out: Output, state: string): string {
  if (state === 'requested') return out.colors.yellow(state);
  if (state === 'active') return out.colors.green(state);
  return state === 'denied' || state === 'revoked' ? out.colors.red(state) : state;
}

export function printGrant(out: Output, grant: GrantAnswerView): void {
  const isBreakGlass = grant.kind === 'break-glass';
  out.facts([
    ['grant', grant.id],
    ['kind', grant.kind],
    ['state', grant.state],
    ['who', actorText(grant.requester, grant.onBehalfOf)],
    ['role', grant.role],
    ['target', grant.target],
    ['may', grant.effects.join(', ')],
    ['tables', grant.relations === null ? 'all' : grant.relations.join(', ')],
    ['rows', grant.rowsPerHour === null ? 'no limit' : `${grant.rowsPerHour} an hour`],
    ['for', durationText(grant.durationMs)],
    [isBreakGlass ? 'review by' : 'needs', `${grant.approvers.count} of role ${grant.approvers.role}`],
    ...grant.answers.map((answer) => {
      const lent = answer.lentBy === null ? '' : ` for ${actorText(answer.lentBy)}`;
      return ['answer', `${answer.verdict} by ${actorText(answer.by)}${lent} at ${answer.at}`] as const;
    }),
    ['asked', grant.requestedAt],
    ...(grant.state === 'requested' ? [['answer by', grant.answerBy] as const] : []),
    ...(grant.openedAt === null ? [] : [['opened', grant.openedAt] as const]),
    ...(grant.expiresAt === null ? [] : [['until', grant.expiresAt] as const]),
    ...(grant.endedAt === null
      ? []
      : [['ended', `${grant.endedAt}, ${grant.end ?? ''}${grant.endedBy === null ? '' : ` by ${actorText(grant.endedBy)}`}`] as const]),
    ...(grant.review === 'none'
      ? []
      : [['review', grant.reviewedBy === null ? grant.review : `${grant.review} by ${actorText(grant.reviewedBy)}`] as const]),
  ]);
}
