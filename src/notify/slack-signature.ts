// Whether a request comes from Slack: HMAC-SHA256 with the app's signing secret over version, time and raw body.
// SPEC: https://docs.slack.dev/authentication/verifying-requests-from-slack
// REFUSES: requests older or newer than five minutes, anything but version v0.

import { createHmac, timingSafeEqual } from 'node:crypto';
import type { Secret } from '../core/secret.ts';

export const SLACK_WINDOW_MS = 300_000;

export function slackSignature(secret: Secret, timestamp: string, body: Uint8Array): string {
  return `v0=${createHmac('sha256', secret.reveal()).update(`v0:${timestamp}:`).update(body).digest('hex')}`;
}

/** @param timestamp `X-Slack-Request-Timestamp`. @param signature `X-Slack-Signature`. @param body exactly as received. */
export function isFromSlack(secret: Secret, request: { timestamp: string; signature: string; body: Uint8Array }, nowMs: number): boolean {
  const { timestamp, signature, body } = request;
  if (!/^\d{1,12}$/.test(timestamp) || Math.abs(nowMs - Number(timestamp) * 1000) > SLACK_WINDOW_MS) return false;
  const expected = Buffer.from(slackSignature(secret, timestamp, body));
  const presented = Buffer.from(signature);
  return presented.length === expected.length && timingSafeEqual(presented, expected);
}
