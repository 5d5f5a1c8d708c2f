// Sampled grants and held requests, from the question to the end, in words.

import type { RangeEntry } from './derivation.ts';
import { detailText } from './event-tables.ts';
import { actorName, actorOf, countOf, memberOf, textOf, textsOf } from './fields.ts';
import { type Block, code, type StoryEvent, type Text } from './report-model.ts';
import type { Story } from './samples.ts';
import { counted, durationText, timeText, wordsOf } from './words.ts';

const MAX_STATEMENT_CHARS = 400;
const MAX_OBJECTS = 6;

export function grantStory(story: Story): Block | null {
  const [first] = story.events;
  if (first === undefined) return null;
  const { header } = first;
  const isEmergency = textOf(header['type']).startsWith('breakglass.');
  const title = `${isEmergency ? 'Emergency access' : 'Grant'}: ${who(header['principal'])} as ${textOf(memberOf(header, 'detail', 'role'))} on ${targetOf(first)}`;
  const events = story.events.map((entry) => eventOf(entry, grantWords(entry)));
  const ends = story.events.findIndex(({ header: each }) => /(?:ended|reviewed)$/.test(textOf(each['type'])));
  events.splice(ends < 0 ? events.length : ends, 0, useOf(story));
  return blockOf(title, story, events);
}

export function approvalStory(story: Story): Block | null {
  const [first] = story.events;
  if (first === undefined) return null;
  const title = `Held request: ${who(first.header['principal'])} on ${targetOf(first)}`;
  return blockOf(
    title,
    story,
    story.events.map((entry) => eventOf(entry, approvalWords(entry))),
  );
}

function blockOf(title: string, { id, more }: Story, events: readonly StoryEvent[]): Block {
  const rest: StoryEvent[] =
    more === 0 ? [] : [{ time: '', text: `And ${counted(more, 'further entry', 'further entries')}.`, index: null }];
  return { kind: 'story', title, id, events: [...events, ...rest] };
}

function eventOf({ index, header }: RangeEntry, text: Text): StoryEvent {
  return { time: timeText(textOf(header['ts'])), text, index };
}

function useOf({ sessions, requests, rows, firstUse, lastUse }: Story): StoryEvent {
  if (requests + sessions === 0) return { time: '', text: 'Not used in this range.', index: null };
  const used = `${counted(sessions, 'session')}, ${counted(requests, 'request')}, ${counted(rows, 'row')} returned`;
  return { time: timeText(firstUse), text: `Used until ${timeText(lastUse)}: ${used}.`, index: null };
}

function grantWords({ header }: RangeEntry): Text {
  const type = textOf(header['type']);
  const detail = detailOf(header);
  const lasting = detail('durationMs') === '' ? '' : ` for ${durationText(Number(detail('durationMs')))}`;
  switch (type) {
    case 'grant.requested':
      return `${asker(header)} asked for the role ${detail('role')} (${detail('effects')})${onObjects(header)}${lasting}. It needs ${counted(Number(detail('count') || '1'), 'approval')} from the role ${detail('approvers')}.`;
    case 'grant.answered':
      return `${who(memberOf(header, 'answer', 'by'))} ${verdictWord(header)} it${viaText(detail('via'))}.`;
    case 'grant.opened':
      return `Access opened${lasting}${detail('expiresAt') === '' ? '' : `, until ${timeText(detail('expiresAt'))}`}.`;
    case 'breakglass.opened':
      return `${asker(header)} opened emergency access as ${detail('role')}${onObjects(header)}${lasting}, without asking. A review is owed.`;
    case 'breakglass.reviewed':
      return `${who(memberOf(header, 'answer', 'by'))} reviewed it afterwards.`;
    default:
      return type.endsWith('.ended') ? `Access ended${because(detail('reason'))}.` : `${type} (${detailText(header['detail'])}).`;
  }
}

function approvalWords({ header }: RangeEntry): Text {
  const detail = detailOf(header);
  const type = textOf(header['type']);
  switch (type) {
    case 'approval.requested':
      return `${asker(header)} sent a statement${onObjects(header)} that needs ${counted(Number(detail('count') || '1'), 'approval')} from the role ${detail('role')}.`;
    case 'request.held': {
      const statement = textOf(memberOf(header, 'statement', 'normalised'));
      const by = `It was held by the rule ${textsOf(header['rules']).join(', ')}`;
      if (statement === '') return `${by}.`;
      const isCut = statement.length > MAX_STATEMENT_CHARS;
      return [`${by}: `, code(`${statement.slice(0, MAX_STATEMENT_CHARS)}${isCut ? ' ...' : ''}`)];
    }
    case 'approval.preview':
      return 'It was estimated, or tried and rolled back, for its reviewers.';
    case 'approval.answered':
      return `${who(memberOf(header, 'answer', 'by'))} ${verdictWord(header)} it${viaText(detail('via'))}.`;
    case 'approval.expired':
      return `The question was closed${because(detail('reason'))}.`;
    case 'approval.used':
      return 'The approval was used.';
    case 'request.intent':
      return 'The statement was sent to the target.';
    case 'request.denied':
      return `The statement was refused: ${textsOf(header['reasons'])
        .map((reason) => wordsOf('denial', reason) ?? reason)
        .join('; ')}.`;
    case 'request.result': {
      const result = textOf(memberOf(header, 'result', 'code'));
      const rows = counted(countOf(memberOf(header, 'result', 'rows')), 'row');
      return result === 'ok' ? `It succeeded: ${rows}.` : `It failed with code ${result}, ${rows}.`;
    }
    case 'session.open':
      return 'The session began.';
    case 'session.close':
      return `The session ended${because(detail('reason'))}.`;
    default:
      return `${type}.`;
  }
}

function detailOf(header: RangeEntry['header']): (name: string) => string {
  return (name) => textOf(memberOf(header, 'detail', name));
}

function because(reason: string): string {
  return reason === '' ? '' : `: ${wordsOf('ending', reason) ?? reason}`;
}

function viaText(via: string): string {
  return via === 'slack' ? ' in Slack' : '';
}

function onObjects(header: RangeEntry['header']): string {
  const objects = textsOf(memberOf(header, 'resource', 'objects'));
  if (objects.length === 0) return '';
  const more = objects.length - MAX_OBJECTS;
  return ` on ${objects.slice(0, MAX_OBJECTS).join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}

function verdictWord(header: RangeEntry['header']): string {
  const verdict = textOf(memberOf(header, 'answer', 'verdict'));
  return verdict === 'approve' ? 'approved' : verdict === 'deny' ? 'denied' : 'answered';
}

/** Who asked, and for whom. */
function asker(header: RangeEntry['header']): string {
  const sponsor = actorName(actorOf(header['onBehalfOf']));
  return `${who(header['principal'])}${sponsor === '' ? '' : `, for ${sponsor},`}`;
}

function who(value: unknown): string {
  return actorName(actorOf(value)) || 'somebody who is not named';
}

function targetOf({ header }: RangeEntry): string {
  return textOf(memberOf(header, 'resource', 'target'));
}
