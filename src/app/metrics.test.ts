import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TargetName } from '../core/ids.ts';
import { createMetrics, ThreadsRegistry } from './metrics.ts';

const clinic = 'clinic' as TargetName;

test('metrics of all threads are summed; those of the process are told once', async () => {
  const lookups = [{ target: 'clinic', texts: 5, shapes: 2, misses: 1 }];
  const threads = [0, 1, 2].map((thread) => createMetrics({ planLookups: () => lookups, thread }));
  const registry = new ThreadsRegistry(() => Promise.all(threads.map((metrics) => metrics.snapshot())));
  threads.forEach(({ gate }, thread) => {
    gate.sessionOpened(clinic);
    gate.decided(clinic, 'allow');
    if (thread > 0) gate.repeated(clinic);
    gate.settled(clinic, { code: 'ok', rows: 10, bytes: 100 }, 3 + thread * 10);
  });
  threads[2]?.gate.sessionClosed(clinic);
  const lines = new Set((await registry.metrics()).split('\n'));
  for (const line of [
    'sallyport_sessions{target="clinic"} 2',
    'sallyport_thread_sessions{thread="0"} 1',
    'sallyport_thread_sessions{thread="2"} 0',
    'sallyport_decisions_total{target="clinic",outcome="allow"} 5',
    'sallyport_decisions_repeated_total{target="clinic"} 2',
    'sallyport_plans_total{target="clinic",found="text"} 15',
    'sallyport_rows_total{target="clinic"} 30',
    'sallyport_request_seconds_count{target="clinic",code="ok"} 3',
    'sallyport_request_seconds_bucket{le="0.005",target="clinic",code="ok"} 1',
    'sallyport_request_seconds_bucket{le="0.05",target="clinic",code="ok"} 3',
  ]) {
    assert.ok(lines.has(line), line);
  }
  assert.equal([...lines].filter((line) => line.startsWith('process_start_time_seconds ')).length, 1);
});

test('without the metrics of a thread there are none: a sum of the others would look like a restart', async () => {
  const registry = new ThreadsRegistry(() => Promise.reject(new Error('test: no answer')));
  await assert.rejects(registry.metrics(), /no answer/);
});
