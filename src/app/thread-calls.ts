// Calls between two threads of the process over a message port, both ways: an argument, one answer, errors with their code,
// and an abort that the other side sees as its own signal. What is called decides how an abort ends the call.

import type { MessagePort } from 'node:worker_threads';
import { ERROR_CODES, type ErrorCode, SallyportError } from '../core/error.ts';

/** Name -> what is sent and what comes back; all of it can be cloned. */
export type CallTable = Readonly<Record<string, { readonly argument: unknown; readonly value: unknown }>>;

export type Handlers<Table extends CallTable> = {
  readonly [Name in keyof Table]: (argument: Table[Name]['argument'], signal: AbortSignal) => Promise<Table[Name]['value']>;
};

/** A `MessagePort`, a `Worker` or `parentPort`. */
export interface CallPort extends Pick<MessagePort, 'postMessage'> {
  on(event: 'message', listener: (message: unknown) => void): unknown;
}

interface Fault {
  /** Null = not one of ours. */
  readonly code: string | null;
  readonly message: string;
}

type Message =
  /** `id` null: nobody waits for an answer. `aborted`: the signal had fired before. */
  | { readonly kind: 'call'; readonly id: number | null; readonly name: string; readonly argument: unknown; readonly aborted: Fault | null }
  | { readonly kind: 'abort'; readonly id: number; readonly reason: Fault }
  | { readonly kind: 'answer'; readonly id: number; readonly value: unknown }
  | { readonly kind: 'fault'; readonly id: number; readonly fault: Fault };

interface Pending {
  readonly resolve: (value: unknown) => void;
  readonly reject: (fault: SallyportError) => void;
  readonly done: () => void;
}

/** @typeParam Theirs what the other side answers. @typeParam Ours what it may call here. */
export class ThreadCalls<Theirs extends CallTable, Ours extends CallTable> {
  readonly #port: CallPort;
  readonly #handlers: Handlers<Ours>;
  readonly #pending = new Map<number, Pending>();
  /** Calls of the other side that are being answered. */
  readonly #answering = new Map<number, AbortController>();
  #next = 0;
  #ended: SallyportError | null = null;

  constructor(port: CallPort, handlers: Handlers<Ours>) {
    this.#port = port;
    this.#handlers = handlers;
    port.on('message', (message) => this.#receive(message as Message));
  }

  /** @throws what the other side throws, by its code; the fault given to `end` */
  call<Name extends keyof Theirs & string>(
    name: Name,
    argument: Theirs[Name]['argument'],
    signal?: AbortSignal,
  ): Promise<Theirs[Name]['value']> {
    if (this.#ended !== null) return Promise.reject(this.#ended);
    const id = this.#next++;
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    const abort = (): void => this.#post({ kind: 'abort', id, reason: faultOf(signal?.reason) });
    this.#pending.set(id, { resolve, reject, done: () => signal?.removeEventListener('abort', abort) });
    signal?.addEventListener('abort', abort, { once: true });
    this.#post({ kind: 'call', id, name, argument, aborted: signal?.aborted === true ? faultOf(signal.reason) : null });
    return promise as Promise<Theirs[Name]['value']>;
  }

  /** A call that nobody waits for. Its handler must not fail. */
  tell<Name extends keyof Theirs & string>(name: Name, argument: Theirs[Name]['argument']): void {
    if (this.#ended === null) this.#post({ kind: 'call', id: null, name, argument, aborted: null });
  }

  /** The other side is gone: its answers will not come, and nobody waits for ours. */
  end(fault: SallyportError): void {
    if (this.#ended !== null) return;
    this.#ended = fault;
    for (const { reject, done } of this.#pending.values()) {
      done();
      reject(fault);
    }
    this.#pending.clear();
    for (const controller of this.#answering.values())
      controller.abort(new SallyportError('SP_CLIENT_LOST', 'the thread that asked has ended'));
    this.#answering.clear();
  }

  #post(message: Message): void {
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a port between threads, not a window
    this.#port.postMessage(message);
  }

  #receive(message: Message): void {
    if (message.kind === 'call') return void this.#answer(message);
    if (message.kind === 'abort') return this.#answering.get(message.id)?.abort(reasonOf(message.reason));
    const pending = this.#pending.get(message.id);
    this.#pending.delete(message.id);
    pending?.done();
    if (message.kind === 'answer') pending?.resolve(message.value);
    else pending?.reject(errorOf(message.fault));
  }

  async #answer({ id, name, argument, aborted }: Extract<Message, { kind: 'call' }>): Promise<void> {
    const handler = Object.hasOwn(this.#handlers, name) ? this.#handlers[name] : undefined;
    const controller = new AbortController();
    if (aborted !== null) controller.abort(reasonOf(aborted));
    if (id === null) {
      await handler?.(argument, controller.signal);
      return;
    }
    this.#answering.set(id, controller);
    let message: Message;
    try {
      if (handler === undefined) throw new SallyportError('SP_INTERNAL', `threads have no call ${name}`);
      message = { kind: 'answer', id, value: await handler(argument, controller.signal) };
    } catch (fault) {
      message = { kind: 'fault', id, fault: faultOf(fault) };
    }
    this.#answering.delete(id);
    if (this.#ended === null) this.#post(message);
  }
}

function faultOf(fault: unknown): Fault {
  if (fault instanceof SallyportError) return { code: fault.code, message: fault.message };
  // WHY only its name: what it says may quote what it worked on.
  return { code: null, message: `a call between threads failed (${fault instanceof Error ? fault.name : 'no error'})` };
}

function errorOf({ code, message }: Fault): SallyportError {
  return new SallyportError(isErrorCode(code) ? code : 'SP_INTERNAL', message);
}

/** A signal that fired for a reason of the platform (a time limit) does so here. */
function reasonOf(fault: Fault): SallyportError | undefined {
  return fault.code === null ? undefined : errorOf(fault);
}

function isErrorCode(code: string | null): code is ErrorCode {
  return code !== null && Object.hasOwn(ERROR_CODES, code);
}
