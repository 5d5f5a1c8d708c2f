import assert from 'node:assert/strict';
import { test } from 'node:test';
import { owns } from './owner.ts';

const carl = { issuer: 'corp', subject: 'carl', kind: 'person' } as const;
const agent = { issuer: 'corp', subject: 'agent-1', kind: 'agent' } as const;

test('a session is that of its principal, and of the person it acts for', () => {
  assert.equal(owns(carl, { principal: carl, onBehalfOf: null }), true);
  assert.equal(owns(carl, { principal: agent, onBehalfOf: carl }), true);
  assert.equal(owns(carl, { principal: agent, onBehalfOf: null }), false);
});

test('the same name of another issuer or kind is somebody else', () => {
  assert.equal(owns(carl, { principal: { ...carl, issuer: 'other' }, onBehalfOf: null }), false);
  assert.equal(owns(carl, { principal: { ...carl, kind: 'service' }, onBehalfOf: null }), false);
});
