// Pending approvals whose clients were lost while they waited, by what they are bound to: a client that comes back with the same
// request takes its approval up again. Thousands can be lost at once (a network, a restarted agent host) and come back at once.

import { bindingText } from '../core/binding.ts';
import type { ApprovalId } from '../core/ids.ts';
import type { Approval } from '../core/ports.ts';

type Wanted = Pick<Approval, 'binding' | 'approvers'>;

export class Orphans {
  readonly #keys = new Map<ApprovalId, string>();
  readonly #byKey = new Map<string, Set<ApprovalId>>();

  add(id: ApprovalId, { binding, approvers }: Wanted): void {
    const key = keyOf({ binding, approvers });
    this.delete(id);
    this.#keys.set(id, key);
    const same = this.#byKey.get(key);
    if (same === undefined) this.#byKey.set(key, new Set([id]));
    else same.add(id);
  }

  /** The one that was lost first and asks the same of the same people; it is nobody else's from now on. Null = there is none. */
  take(wanted: Wanted): ApprovalId | null {
    const [first] = this.#byKey.get(keyOf(wanted)) ?? [];
    if (first === undefined) return null;
    this.delete(first);
    return first;
  }

  delete(id: ApprovalId): void {
    const key = this.#keys.get(id);
    if (key === undefined) return;
    this.#keys.delete(id);
    const same = this.#byKey.get(key);
    same?.delete(id);
    if (same?.size === 0) this.#byKey.delete(key);
  }
}

function keyOf({ binding, approvers }: Wanted): string {
  return JSON.stringify([bindingText(binding), approvers.role, approvers.count]);
}
