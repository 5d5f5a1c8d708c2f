// Sampled grants and held requests, from the question to the end, in words.

import type { RangeEntry } from './derivation.ts';
import { detailText } from './event-tables.ts';
import { actorName, actorOf, countOf, memberOf, textOf, textsOf } from './fields.ts';
import { counted, durationText, grouped, h, timeText } from './html.ts';
import type { Story } from './samples.ts';

export function renderGrantStory(story: Story): string {
  const [first] = story.events;
  if (first === undefined) return '';
  const { header } = first;
  const role = textOf(memberOf(header, 'detail', 'role'));
  const isEmergency = textOf(header['type']).startsWith('breakglass.');
  const title = `${isEmergency ? 'Emergency access' : 'Grant'}: ${who(header['principal'])} as ${role} on ${targetOf(first)}`;
  const use =
    story.requests + story.sessions === 0
      ? '<li><time></time>Not used in this range.</li>\n'
      : `<li><time>${h(timeText(story.firstUse))}</time>Used until ${h(timeText(story.lastUse))}: ${counted(story.sessions, 'session')}, ${counted(story.requests, 'request')}, ${counted(story.rows, 'row')} returned.</li>\n`;
  const ends = story.events.findIndex(({ header: each }) => /ended$|reviewed$/.test(textOf(each['type'])));
  const lines = story.events.map((entry) => line(entry, grantWords(entry)));
  lines.splice(ends < 0 ? lines.length : ends, 0, use);
  return renderStory(title, story, lines);
}

export function renderApprovalStory(story: Story): string {
  const [first] = story.events;
  if (first === undefined) return '';
  const title = `Held request: ${who(first.header['principal'])} on ${targetOf(first)}`;
  return renderStory(
    title,
    story,
    story.events.map((entry) => line(entry, approvalWords(entry))),
  );
}

function renderStory(title: string, story: Story, lines: readonly string[]): string {
  const more = story.more === 0 ? '' : `<li><time></time>and ${counted(story.more, 'further entry', 'further entries')}.</li>\n`;
  return `<h3>${h(title)}</h3>\n<p><code>${h(story.id)}</code></p>\n<ol class="story">\n${lines.join('')}${more}</ol>\n`;
}

function line({ index, header }: RangeEntry, words: string): string {
  return `<li><time>${h(timeText(textOf(header['ts'])))}</time>${words} <span class="id">entry ${index}</span></li>\n`;
}

function grantWords({ header }: RangeEntry): string {
  const type = textOf(header['type']);
  const detail = (name: string): string => textOf(memberOf(header, 'detail', name));
  const forText = detail('durationMs') === '' ? '' : ` for ${h(durationText(Number(detail('durationMs'))))}`;
  switch (type) {
    case 'grant.requested':
      return `${h(who(header['principal']))} asked for the role ${h(detail('role'))} (${h(detail('effects'))})${forText}; ${h(reviewersText(detail))}.`;
    case 'grant.answered':
      return `${h(who(memberOf(header, 'answer', 'by')))} ${verdictWord(header)} it.`;
    case 'grant.opened':
      return `Access opened${forText}${detail('expiresAt') === '' ? '' : `, until ${h(timeText(detail('expiresAt')))}`}.`;
    case 'breakglass.opened':
      return `${h(who(header['principal']))} opened emergency access as ${h(detail('role'))}${forText}. A review is owed.`;
    case 'breakglass.reviewed':
      return `${h(who(memberOf(header, 'answer', 'by')))} reviewed it.`;
    default:
      return type.endsWith('.ended')
        ? `Access ended${detail('reason') === '' ? '' : `: ${h(detail('reason'))}`}.`
        : `${h(type)} (${h(detailText(header['detail']))}).`;
  }
}

function approvalWords({ header }: RangeEntry): string {
  const detail = (name: string): string => textOf(memberOf(header, 'detail', name));
  switch (textOf(header['type'])) {
    case 'approval.requested':
      return `${h(who(header['principal']))} sent a statement that needs approval; ${h(reviewersText(detail))}.`;
    case 'request.held': {
      const statement = textOf(memberOf(header, 'statement', 'normalised'));
      return `It was held by ${h(textsOf(header['rules']).join(', '))}${statement === '' ? '' : `: <code>${h(statement.slice(0, 400))}${statement.length > 400 ? ' …' : ''}</code>`}`;
    }
    case 'approval.preview':
      return 'It was estimated, or tried and rolled back, for its reviewers.';
    case 'approval.answered':
      return `${h(who(memberOf(header, 'answer', 'by')))} ${verdictWord(header)} it.`;
    case 'approval.expired':
      return `Nobody will answer it any more: ${h(detail('reason'))}.`;
    case 'approval.used':
      return 'The approval was used.';
    case 'request.intent':
      return 'The statement was sent to the target.';
    case 'request.denied':
      return `The statement was refused: ${h(textsOf(header['reasons']).join(', '))}.`;
    case 'request.result':
      return `It ended with code ${h(textOf(memberOf(header, 'result', 'code')))} and ${grouped(countOf(memberOf(header, 'result', 'rows')))} rows.`;
    default:
      return `${h(textOf(header['type']))}.`;
  }
}

function reviewersText(detail: (name: string) => string): string {
  const role = detail('approvers') || detail('role');
  const count = Number(detail('count') || '1');
  return `it needs ${counted(count, 'answer')} by ${role}`;
}

function verdictWord(header: RangeEntry['header']): string {
  const verdict = textOf(memberOf(header, 'answer', 'verdict'));
  return verdict === 'approve' ? 'approved' : verdict === 'deny' ? 'denied' : 'answered';
}

function who(value: unknown): string {
  return actorName(actorOf(value)) || 'somebody who is not named';
}

function targetOf({ header }: RangeEntry): string {
  return textOf(memberOf(header, 'resource', 'target'));
}
