// What people are told outside the gateway: somebody has to answer, somebody answered, something opened or ended.
// A notice holds what an approval shows and nothing more: names, classes, masks, redacted text. It never holds a parameter, a
// value of a row, or text that a statement brought along unredacted; whoever builds one picks fields, and copies no object.

/** Closed vocabulary; those that are also audit entries have the entry's name. */
export const NOTICE_KINDS = [
  'approval.requested',
  'approval.answered',
  'approval.expired',
  'approval.used',
  'grant.requested',
  'grant.answered',
  'grant.opened',
  'grant.ended',
  'grant.review-due',
  'breakglass.opened',
  'breakglass.ended',
  'breakglass.review-due',
  'breakglass.reviewed',
  'lock.set',
  'lock.lifted',
  'test',
] as const;
export type NoticeKind = (typeof NOTICE_KINDS)[number];

export interface NoticeFact {
  readonly name: string;
  readonly value: string;
}

export type NoticeAction = 'approve' | 'deny';

export interface Notice {
  readonly kind: NoticeKind;
  /** What it is about (`apr_...`). Notices about one thing are told in order and, where a channel can, as one thread. */
  readonly id: string;
  /** Tells the events of one thing apart: a channel is told of the same `id` and `event` once. */
  readonly event: string;
  readonly title: string;
  readonly facts: readonly NoticeFact[];
  /** Path on the gateway's API, from `/`; null = nothing to look at. */
  readonly link: string | null;
  /** What is asked of the reader. Not empty = somebody has to answer; a newer notice about the same thing replaces it. */
  readonly actions: readonly NoticeAction[];
  /** The role it concerns; null = everyone. */
  readonly who: string | null;
}

/** Where services leave what people should be told. */
export interface Notifier {
  /** Takes the notice over and returns at once; never throws. It is durable within moments and sent at least once, or given
   *  up with a line in the operators' log. */
  notify(notice: Notice): void;
}

export const NOTICE_LIMITS = { title: 150, name: 60, value: 2_000, facts: 40, text: 10_000 } as const;

// C0, DEL, C1, and the invisible marks that reorder or hide text.
const UNPRINTABLE = /[\p{Cc}\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]+/gu;

/** One line without control or text-direction characters, at most `length` UTF-16 units; a cut is shown by an ellipsis. */
export function plainText(text: string, length: number): string {
  // A lone surrogate is no character; some receivers refuse the whole message for it.
  const line = text.toWellFormed().replace(UNPRINTABLE, ' ').trim();
  if (line.length <= length) return line;
  const cut = line.slice(0, Math.max(0, length - 1));
  const last = cut.charCodeAt(cut.length - 1);
  return `${last >= 0xd800 && last <= 0xdbff ? cut.slice(0, -1) : cut}…`;
}

/** The same notice within the limits that every channel can carry. Facts are cut from the end. */
export function boundedNotice(notice: Notice): Notice {
  const { title, name, value, facts, text } = NOTICE_LIMITS;
  let left: number = text;
  const kept: NoticeFact[] = [];
  for (const fact of notice.facts.slice(0, facts)) {
    if (left <= 0) break;
    const bounded = { name: plainText(fact.name, name), value: plainText(fact.value, Math.min(value, left)) };
    left -= bounded.name.length + bounded.value.length;
    kept.push(bounded);
  }
  return {
    kind: notice.kind,
    id: plainText(notice.id, 100),
    event: plainText(notice.event, 100),
    title: plainText(notice.title, title),
    facts: kept,
    link: notice.link,
    actions: [...notice.actions],
    who: notice.who,
  };
}
