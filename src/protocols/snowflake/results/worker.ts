// A thread that masks chunks and Arrow streams. It knows nothing of sessions and has no connection to anything but the pool.

import { parentPort } from 'node:worker_threads';
import { SallyportError } from '../../../core/error.ts';
import { Transform } from './transform.ts';
import type { FromWorker, ToWorker } from './worker-messages.ts';

const port = parentPort;
if (port === null) throw new Error('this is a thread of the result pool');
const transforms = new Map<number, Promise<Transform>>();

async function answer(message: Exclude<ToWorker, { kind: 'close' }>): Promise<FromWorker> {
  const { call } = message;
  try {
    if (message.kind === 'open') {
      const made = Transform.create(message.options);
      transforms.set(message.transform, made);
      await made;
      return { call, stepped: null };
    }
    const transform = await transforms.get(message.transform);
    if (transform === undefined) throw new SallyportError('SP_INTERNAL', 'a step of no transform');
    return { call, stepped: await transform.step(message.bytes) };
  } catch (fault) {
    // WHY not the message of others: it may quote what was worked on.
    const { code, message: text } =
      fault instanceof SallyportError
        ? fault
        : { code: 'SP_INTERNAL', message: `masking failed (${fault instanceof Error ? fault.name : 'unknown'})` };
    return { call, fault: { code, message: text } };
  }
}

port.on('message', (message: ToWorker) => {
  if (message.kind === 'close') {
    const transform = transforms.get(message.transform);
    transforms.delete(message.transform);
    void transform?.then((each) => each.close()).catch(() => undefined);
    return;
  }
  void answer(message).then((answered) => {
    const transfer = 'stepped' in answered && answered.stepped !== null ? ownBuffers(answered.stepped) : [];
    port.postMessage(answered, transfer);
  });
});

/** Of what is ours alone: small buffers share their memory with others. */
function ownBuffers({ output, frames }: { readonly output: Uint8Array; readonly frames: Uint8Array }): ArrayBuffer[] {
  return [output, frames].flatMap(({ buffer, byteLength }) =>
    byteLength > 0 && buffer.byteLength === byteLength ? [buffer as ArrayBuffer] : [],
  );
}
