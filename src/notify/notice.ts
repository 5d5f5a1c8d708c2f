// The notice of an approval. It picks fields by name: what approvals learn to carry later (samples, previews) is not told
// outside until somebody adds it here. Names of output columns stay away, since an alias is text of the statement.

import type { ActorRef } from '../core/identity.ts';
import type { Notice, NoticeFact } from '../core/notice.ts';
import type { Approval } from '../core/ports.ts';

const at = (ms: number): string => new Date(ms).toISOString().replace(/\.\d{3}Z$/, 'Z');
const nameOf = ({ issuer, subject }: ActorRef): string => `${issuer}/${subject}`;

/** Relations named in a notice; the rest are counted. */
const MAX_RELATIONS = 20;

/** What to tell about the approval as it is now. */
export function noticeOfApproval(approval: Approval): Notice {
  const isPending = approval.state === 'pending';
  return {
    kind: kindOf(approval),
    id: approval.id,
    event: `${approval.state} ${approval.answers.length}`,
    title: titleOf(approval),
    facts: factsOf(approval),
    link: `/v1/approvals/${approval.id}`,
    actions: isPending ? ['approve', 'deny'] : [],
    who: approval.approvers.role,
  };
}

function kindOf({ state, answers }: Approval): Notice['kind'] {
  switch (state) {
    case 'pending':
      return answers.length === 0 ? 'approval.requested' : 'approval.answered';
    case 'approved':
    case 'denied':
      return 'approval.answered';
    case 'expired':
    case 'cancelled':
      return 'approval.expired';
    case 'used':
      return 'approval.used';
  }
}

function titleOf({ state, answers, approvers, binding }: Approval): string {
  const { target } = binding;
  switch (state) {
    case 'pending':
      return answers.length === 0
        ? `${target}: a statement needs approval`
        : `${target}: ${answers.length} of ${approvers.count} have approved`;
    case 'approved':
      return `${target}: approved`;
    case 'denied':
      return `${target}: denied`;
    case 'expired':
      return `${target}: nobody answered in time`;
    case 'cancelled':
      return `${target}: no longer needed`;
    case 'used':
      return `${target}: the approved statement has run`;
  }
}

function factsOf(approval: Approval): NoticeFact[] {
  const { requester, onBehalfOf, answers, approvers } = approval;
  const facts: [string, string | null][] = [
    ['Who', `${requester.name} (${nameOf(requester)}, ${requester.kind})`],
    ['For', onBehalfOf === null ? null : nameOf(onBehalfOf)],
    ['Target', approval.binding.target],
    ['Does', approval.effects.join(', ') || 'nothing'],
    ['Touches', relationsText(approval.relations)],
    ['Protected data', masksText(approval.outputs)],
    ['Bounded', approval.unbounded ? 'no: it can return whole tables' : 'yes'],
    ['Held by', approval.rules.join(', ')],
    ['Says', approval.say],
    ['Statement', approval.statement ?? 'not shown: it could not be redacted safely'],
    ['Needs', `${approvers.count} of role ${approvers.role}`],
    ['Answers', answers.map(({ by, verdict, atMs }) => `${verdict} by ${nameOf(by)} at ${at(atMs)}`).join('; ') || null],
    ['Asked', at(approval.createdAtMs)],
    ['Expires', approval.state === 'pending' ? at(approval.expiresAtMs) : null],
    ['Answer with', approval.state === 'pending' ? `sallyport approvals show ${approval.id}` : null],
  ];
  return facts.flatMap(([name, value]) => (value === null ? [] : [{ name, value }]));
}

function relationsText(relations: Approval['relations']): string {
  const named = relations.slice(0, MAX_RELATIONS).map(({ name, access }) => `${name} (${access})`);
  const more = relations.length - named.length;
  return [...named, ...(more > 0 ? [`and ${more} more`] : [])].join(', ') || 'no relation';
}

/** Which classes come out and under which mask, once each. */
function masksText(outputs: Approval['outputs']): string {
  const shown = outputs.filter(({ classes }) => classes.length > 0).map(({ classes, mask }) => `${classes.join(' + ')} as ${mask}`);
  return [...new Set(shown)].join(', ') || 'none in the result';
}
