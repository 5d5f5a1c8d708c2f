// Slack's Web API as far as the gateway uses it, strict about the documented limits: what Slack would refuse, this refuses.

import assert from 'node:assert/strict';
import { startHttpDouble, type HttpDouble } from './http-double.ts';

export interface SlackCall {
  readonly method: string;
  readonly body: Record<string, any>;
}

export interface SlackDouble {
  readonly http: HttpDouble;
  readonly url: string;
  readonly calls: SlackCall[];
  /** What was not as Slack wants it. */
  readonly faults: string[];
  /** Answers the next calls of this method with this error (`ok: false`). */
  failWith(method: string, error: string | null): void;
  close(): Promise<void>;
}

export async function startSlackDouble(token: string): Promise<SlackDouble> {
  const http = await startHttpDouble();
  const calls: SlackCall[] = [];
  const faults: string[] = [];
  const failures = new Map<string, string>();
  let ts = 1_700_000_000;
  http.answer = (received, response) => {
    const method = received.path.replace(/^\/api\//, '');
    const reply = (body: object): void => {
      response.setHeader('content-type', 'application/json; charset=utf-8');
      response.end(JSON.stringify(body));
    };
    try {
      assert.equal(received.method, 'POST');
      assert.equal(received.headers['content-type'], 'application/json; charset=utf-8');
      assert.equal(received.headers['transfer-encoding'], undefined);
      if (received.headers.authorization !== `Bearer ${token}`) return reply({ ok: false, error: 'invalid_auth' });
      const body = JSON.parse(received.body) as Record<string, any>;
      calls.push({ method, body });
      const failure = failures.get(method);
      if (failure !== undefined) return reply({ ok: false, error: failure });
      assert.match(body['channel'], /^[CD][A-Z0-9]+$/);
      assert.ok(typeof body['text'] === 'string' && body['text'] !== '' && body['text'].length <= 4000);
      if (body['blocks'] !== undefined) assertBlocks(body['blocks']);
      if (method === 'chat.update') assert.match(body['ts'], /^\d+\.\d{6}$/);
      if (method === 'chat.postEphemeral') assert.match(body['user'], /^U/);
      if (body['thread_ts'] !== undefined) assert.match(body['thread_ts'], /^\d+\.\d{6}$/);
      reply({ ok: true, channel: body['channel'], ts: method === 'chat.update' ? body['ts'] : `${ts++}.000100` });
    } catch (fault) {
      faults.push((fault as Error).message);
      reply({ ok: false, error: 'invalid_blocks' });
    }
  };
  return {
    http,
    url: `${http.url}/api/`,
    calls,
    faults,
    failWith: (method, error) => void (error === null ? failures.delete(method) : failures.set(method, error)),
    close: () => http.close(),
  };
}

/** The limits of the Block Kit reference. */
export function assertBlocks(blocks: readonly any[]): void {
  assert.ok(blocks.length > 0 && blocks.length <= 50, 'at most 50 blocks');
  const text = (object: any, limit: number): void => {
    assert.equal(object.type, 'plain_text', 'text that Slack would interpret');
    assert.ok(object.text.length >= 1 && object.text.length <= limit, `${object.text.length} of ${limit} characters`);
  };
  for (const block of blocks) {
    switch (block.type) {
      case 'header':
        text(block.text, 150);
        break;
      case 'section':
        if (block.text !== undefined) text(block.text, 3000);
        if (block.fields !== undefined) {
          assert.ok(block.fields.length >= 1 && block.fields.length <= 10, 'at most 10 fields');
          for (const field of block.fields) text(field, 2000);
        }
        assert.ok(block.text !== undefined || block.fields !== undefined);
        break;
      case 'actions':
        assert.ok(block.elements.length >= 1 && block.elements.length <= 25);
        for (const element of block.elements) {
          assert.equal(element.type, 'button');
          assert.ok(element.action_id.length <= 255);
          text(element.text, 75);
          if (element.value !== undefined) assert.ok(element.value.length <= 2000);
          if (element.url !== undefined) assert.ok(element.url.length <= 3000);
          if (element.confirm !== undefined) {
            text(element.confirm.title, 100);
            text(element.confirm.text, 300);
            text(element.confirm.confirm, 30);
            text(element.confirm.deny, 30);
          }
        }
        break;
      default:
        assert.fail(`a block of type ${block.type}`);
    }
  }
}
