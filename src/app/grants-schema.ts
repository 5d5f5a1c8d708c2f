// The `grants` section of sallyport.yaml: how long requests for access wait, and who answers when nobody does.

import { z } from 'zod';
import { roleName } from './config-parts.ts';

const timeOfDay = z.string().regex(/^([01]\d|2[0-3]):[0-5]\d$/, 'expected a time of day from 00:00 to 23:59');

const quietHours = z
  .strictObject({ from: timeOfDay, to: timeOfDay, timeZone: z.string().refine(isTimeZone, 'expected a time zone such as Europe/Berlin') })
  .refine(({ from, to }) => from !== to, 'from and to are the same time');

const escalation = z.strictObject({
  role: roleName,
  afterMs: z.int().min(60_000).max(604_800_000),
  quietHours: quietHours.optional(),
});

export const grantsSection = z.strictObject({
  answerMs: z.int().min(60_000).max(2_592_000_000).default(86_400_000),
  escalation: escalation.optional(),
});

function isTimeZone(name: string): boolean {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: name }).resolvedOptions().timeZone !== '';
  } catch {
    return false;
  }
}
