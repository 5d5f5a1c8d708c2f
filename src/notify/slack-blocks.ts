// A notice in Block Kit. Every text is a `plain_text` object: Slack interprets nothing in it, so a name cannot become a link, a
// mention of the channel or an "approved" in bold. Limits: 50 blocks, 150 characters of a header, 3000 of a text, 10 fields of 2000.
// SPEC: https://docs.slack.dev/reference/block-kit/blocks

import { type Notice, type NoticeAction, type NoticeFact, plainText } from '../core/notice.ts';

export type Block = Readonly<Record<string, unknown>> & { readonly type: string };

export const BLOCK_LIMITS = { blocks: 50, header: 150, text: 3_000, field: 2_000, fields: 10 } as const;

/** A fact longer than this gets a block of its own instead of half a line. */
const LONG_FACT = 120;

const plain = (text: string, limit: number): object => ({ type: 'plain_text', text: clipped(text, limit) || '-', emoji: false });

/** Keeps the line break between a fact's name and value, which `plainText` would not. */
function clipped(text: string, limit: number): string {
  return text.length <= limit ? text : plainText(text, limit);
}

export const ACTION_IDS = { approve: 'sallyport.approve', deny: 'sallyport.deny', open: 'sallyport.open' } as const;

/** @param hasButtons answers by button are possible in this channel. */
export function blocksOf(notice: Notice, link: string | null, hasButtons: boolean): Block[] {
  const blocks: Block[] = [{ type: 'header', text: plain(notice.title, BLOCK_LIMITS.header) }];
  let fields: NoticeFact[] = [];
  const flush = (): void => {
    if (fields.length > 0) blocks.push({ type: 'section', fields: fields.map((fact) => plain(factText(fact), BLOCK_LIMITS.field)) });
    fields = [];
  };
  for (const fact of notice.facts) {
    if (fact.value.length > LONG_FACT) {
      flush();
      blocks.push({ type: 'section', text: plain(factText(fact), BLOCK_LIMITS.text) });
    } else {
      fields.push(fact);
      if (fields.length === BLOCK_LIMITS.fields) flush();
    }
  }
  flush();
  const elements = [
    ...(hasButtons ? notice.actions.map((action) => button(action, notice.id)) : []),
    ...(link === null ? [] : [{ type: 'button', action_id: ACTION_IDS.open, text: plain('Open', 75), url: link }]),
  ];
  const actions: Block[] = elements.length === 0 ? [] : [{ type: 'actions', elements }];
  return [...blocks.slice(0, BLOCK_LIMITS.blocks - actions.length), ...actions];
}

const factText = ({ name, value }: NoticeFact): string => `${name}\n${value}`;

const BUTTONS = {
  approve: { label: 'Approve', style: 'primary', question: 'Allow exactly what this message says?' },
  deny: { label: 'Deny', style: 'danger', question: 'Refuse what this message asks for?' },
} as const satisfies Record<NoticeAction, object>;

function button(action: NoticeAction, id: string): object {
  const { label, style, question } = BUTTONS[action];
  return {
    type: 'button',
    action_id: ACTION_IDS[action],
    style,
    text: plain(label, 75),
    value: id,
    confirm: { title: plain(label, 100), text: plain(question, 300), confirm: plain(label, 30), deny: plain('Not now', 30), style },
  };
}

/** For the `text` of a message, which Slack does interpret: its three control characters are escaped. */
export function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
