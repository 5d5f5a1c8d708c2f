import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createSessionSlots, createSlotMemory } from './session-slots.ts';

test('threads that share the memory share the slots', () => {
  const memory = createSlotMemory();
  const [one, other] = [createSessionSlots(2, memory), createSessionSlots(2, memory)];
  assert.deepEqual([one.tryTake(), other.tryTake(), one.tryTake(), other.tryTake()], [true, true, false, false]);
  other.give();
  assert.deepEqual([one.tryTake(), other.tryTake()], [true, false]);
});
