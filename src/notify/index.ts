// Notifications, as the root composes them.

export { type ApprovalChanges, catchUpApprovals, tellApprovals } from './approval-notices.ts';
export { delayAfter } from './backoff.ts';
export type { Channel } from './channel.ts';
export { acceptedAddresses, type EgressDeps, type EgressRules, post, systemEgress, urlFault } from './egress.ts';
export { createEmailChannel, type Mail, type SendMail } from './email-channel.ts';
export { createNotifications, type NotificationsService } from './notifier.ts';
export { createSlackChannel, type SlackSettings } from './slack-channel.ts';
export {
  type Answer,
  createSlackInteractions,
  type SlackAnswers,
  type SlackInteractions,
  type SlackRequest,
} from './slack-interactions.ts';
export { createTeamsChannel, type TeamsSettings } from './teams-channel.ts';
export { createWebhookChannel, type WebhookSettings } from './webhook-channel.ts';
export { webhookKeys } from './webhook-signature.ts';
