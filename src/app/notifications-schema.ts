// The schema of `notifications:`, one channel each.

import { z } from 'zod';
import { isLoopback } from '../core/address.ts';
import { NOTICE_KINDS } from '../core/notice.ts';
import { name, roleName, secretRef } from './config-parts.ts';
import { egress, httpUrl, reachable } from './egress-schema.ts';

const shared = {
  name,
  events: z
    .array(z.enum(NOTICE_KINDS).exclude(['test']))
    .min(1)
    .optional(),
  roles: z.array(roleName).min(1).optional(),
  giveUpAfterMs: z.int().min(60_000).max(604_800_000).default(86_400_000),
};

const slackUser = z.string().regex(/^[UW][A-Z0-9]{2,30}$/, 'expected the id of a Slack user, U...');

const slack = z
  .strictObject({
    ...shared,
    ...egress,
    kind: z.literal('slack'),
    url: httpUrl.refine((text) => text.endsWith('/'), 'expected a URL that ends with a slash').default('https://slack.com/api/'),
    token: secretRef,
    channel: z.string().regex(/^[CGD][A-Z0-9]{2,30}$/, 'expected the id of a Slack conversation, C...; not its name'),
    answers: z
      .strictObject({
        signingSecret: secretRef,
        team: z.string().regex(/^T[A-Z0-9]{2,30}$/, 'expected the id of a Slack workspace, T...'),
        people: z
          .array(
            z.strictObject({
              user: slackUser,
              issuer: name,
              subject: z.string().min(1),
              groups: z.array(z.string().min(1)).min(1),
            }),
          )
          .min(1),
      })
      .optional(),
  })
  .superRefine(reachable)
  .superRefine(({ answers }, context) => {
    const seen = new Set<string>();
    answers?.people.forEach(({ user }, index) => {
      if (seen.has(user))
        context.addIssue({ code: 'custom', path: ['answers', 'people', index, 'user'], message: `${user} is listed twice` });
      seen.add(user);
    });
  });

const teams = z.strictObject({ ...shared, ...egress, kind: z.literal('teams'), url: secretRef });

const mailAddress = z.string().regex(/^[^\s<>@,;:"]+@[^\s<>@,;:"]+$/, 'expected an e-mail address, for example gate@example.com');

const email = z
  .strictObject({
    ...shared,
    ...egress,
    kind: z.literal('email'),
    from: mailAddress,
    to: z.array(mailAddress).min(1).max(50),
    host: z.string().min(1),
    port: z.int().min(1).max(65_535).default(587),
    tls: z.enum(['starttls', 'implicit']).default('starttls'),
    login: z.strictObject({ user: z.string().min(1), password: secretRef }).optional(),
  })
  .superRefine(({ host, insecure }, context) => {
    if (insecure === true && !isLoopback(host)) {
      context.addIssue({ code: 'custom', path: ['insecure'], message: `${host} is not loopback: mail without TLS is refused` });
    }
  });

const webhook = z
  .strictObject({ ...shared, ...egress, kind: z.literal('webhook'), url: httpUrl, secret: secretRef })
  .superRefine(reachable);

export const notificationChannel = z.discriminatedUnion('kind', [slack, teams, email, webhook]);

export type NotificationChannelConfig = z.output<typeof notificationChannel>;
