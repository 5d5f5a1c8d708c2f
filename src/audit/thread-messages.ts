// What the threads say to each other beside the stream of entries: calls of the writer, their answers, progress and faults.

import type { MessagePort } from 'node:worker_threads';
import { ERROR_CODES, SallyportError } from '../core/error.ts';
import type { ErrorCode } from '../core/error.ts';
import type { OpenWriterOptions } from './open-writer.ts';

/** All that the thread is started with; secrets come with `open`. */
export interface ThreadData {
  readonly control: MessagePort;
  readonly state: SharedArrayBuffer;
}

/** One producer's connection. */
export interface RingEnd {
  readonly ring: SharedArrayBuffer;
  readonly port: MessagePort;
}

export type WriterCall =
  | {
      readonly method: 'open';
      readonly options: OpenWriterOptions;
      readonly origin: string;
      readonly signingKey: string;
      readonly retiringKey: string | null;
    }
  | { readonly method: 'connect'; readonly end: RingEnd }
  | { readonly method: 'read'; readonly from: number; readonly to: number }
  | { readonly method: 'sealed'; readonly ref: { readonly sha256: string; readonly key: string } }
  | { readonly method: 'file'; readonly path: string }
  | { readonly method: 'checkpoint' | 'publish' | 'close' };

export interface CallMessage {
  readonly id: number;
  readonly call: WriterCall;
}

export interface ErrorMessage {
  readonly code: string;
  readonly message: string;
}

/** From the thread, on the control port. */
export type ControlMessage =
  | { readonly kind: 'answer'; readonly id: number; readonly value: unknown }
  | { readonly kind: 'error'; readonly id: number; readonly error: ErrorMessage }
  | {
      readonly kind: 'log';
      readonly level: 'info' | 'warn' | 'error';
      readonly fields: Readonly<Record<string, unknown>>;
      readonly message: string;
    };

/** From the thread, on the port of a producer. */
export type ProgressMessage =
  | { readonly kind: 'progress'; readonly appended: readonly number[] }
  | { readonly kind: 'fault'; readonly error: ErrorMessage };

export function toMessage(error: unknown): ErrorMessage {
  return error instanceof SallyportError
    ? { code: error.code, message: error.message }
    : { code: 'SP_INTERNAL', message: `audit log: ${error instanceof Error ? error.name : 'fault'} in the writer` };
}

function isErrorCode(code: string): code is ErrorCode {
  return Object.hasOwn(ERROR_CODES, code);
}

export function fromMessage({ code, message }: ErrorMessage): SallyportError {
  return new SallyportError(isErrorCode(code) ? code : 'SP_INTERNAL', message);
}
