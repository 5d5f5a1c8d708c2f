// The schema of `audit.retention`.

import { z } from 'zod';

const DAY_MS = 86_400_000;

/** `90d`, `6y` -> ms. A year has 366 days: what is to be kept for years is never destroyed a day early. */
const span = z.string().transform((text, context) => {
  const match = /^([1-9]\d{0,4})([dy])$/.exec(text);
  if (match === null) {
    context.addIssue({ code: 'custom', message: 'expected days or years, such as 90d or 6y' });
    return z.NEVER;
  }
  return Number(match[1]) * (match[2] === 'y' ? 366 : 1) * DAY_MS;
});

export const auditRetention = z
  .strictObject({ payloads: span.optional(), headers: span.optional() })
  .refine(({ payloads, headers }) => headers === undefined || (payloads !== undefined && payloads <= headers), {
    path: ['headers'],
    message: 'headers cannot go before their payloads: give payloads, at most as long',
  });
