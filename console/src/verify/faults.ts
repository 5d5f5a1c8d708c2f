import { SallyportError } from '../../../src/core/error.ts';

/** For people. */
export function messageOf(fault: unknown): string {
  if (fault instanceof SallyportError) return fault.message;
  // The browser's words when the file was moved or changed while it was read.
  if (fault instanceof DOMException) return `the file could not be read: ${fault.message}`;
  return `the verifier failed: ${fault instanceof Error ? `${fault.name}: ${fault.message}` : 'unknown'}`;
}
