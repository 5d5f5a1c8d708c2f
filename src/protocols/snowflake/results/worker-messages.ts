// What the pool and its threads say to each other. Every message to a thread is answered once, in turn for each transform.

import type { Stepped, TransformOptions } from './transform.ts';

export type ToWorker =
  | { readonly kind: 'open'; readonly call: number; readonly transform: number; readonly options: TransformOptions }
  /** Null = that was all. */
  | { readonly kind: 'step'; readonly call: number; readonly transform: number; readonly bytes: Uint8Array | null }
  | { readonly kind: 'close'; readonly transform: number };

export type FromWorker =
  | { readonly call: number; readonly stepped: Stepped | null }
  | { readonly call: number; readonly fault: { readonly code: string; readonly message: string } };
