// E-mail: plain text only. How it is sent (SMTP, TLS, AUTH) is behind a port; this file says what is sent.
// INVARIANT: nothing of a notice becomes a header but the title and ids, which have no line breaks (`boundedNotice`).

import { createHash } from 'node:crypto';
import type { Notice } from '../core/notice.ts';
import { plainText } from '../core/notice.ts';
import type { Channel, Delivery, Message } from './channel.ts';

export interface Mail {
  readonly from: string;
  readonly to: readonly string[];
  readonly subject: string;
  /** Plain text, lines ended by \n. */
  readonly text: string;
  readonly messageId: string;
  /** Message ids of the thread it belongs to. */
  readonly references: readonly string[];
  readonly headers: Readonly<Record<string, string>>;
}

/** Hands one mail to the configured server, over TLS. Never throws for the server's sake. */
export type SendMail = (mail: Mail, signal: AbortSignal) => Promise<Delivery>;

export interface EmailSettings extends Pick<Channel, 'name' | 'events' | 'roles' | 'giveUpAfterMs'> {
  readonly from: string;
  readonly to: readonly string[];
}

export function createEmailChannel(settings: EmailSettings, deps: { readonly sendMail: SendMail }): Channel {
  const { name, events, roles, giveUpAfterMs, from, to } = settings;
  const domain = from.slice(from.lastIndexOf('@') + 1).replace(/>$/, '');
  return {
    name,
    kind: 'email',
    events,
    roles,
    giveUpAfterMs,
    isForPeople: true,
    send({ id, notice, link }: Message, signal) {
      // All mails about one thing refer to the same root, which is how mail programs find threads.
      const root = createHash('sha256').update(`${name}\0${notice.id}`).digest('hex').slice(0, 32);
      return deps.sendMail(
        {
          from,
          to,
          subject: plainText(`[Sallyport] ${notice.title}`, 200),
          text: mailText(notice, link),
          messageId: `<${id}@${domain}>`,
          references: [`<${root}@${domain}>`],
          headers: { 'Auto-Submitted': 'auto-generated', 'X-Auto-Response-Suppress': 'All' },
        },
        signal,
      );
    },
  };
}

function mailText(notice: Notice, link: string | null): string {
  const width = Math.max(0, ...notice.facts.map((fact) => fact.name.length));
  const facts = notice.facts.map(({ name, value }) => `${`${name}:`.padEnd(width + 1)}  ${value}`);
  return [notice.title, '', ...facts, ...(link === null ? [] : ['', link]), ''].join('\n');
}
