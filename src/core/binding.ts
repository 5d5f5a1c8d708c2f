// What an approval is bound to, as one text that no other binding has.

import type { ApprovalBinding } from './ports.ts';

/** In a fixed order, whatever the order of the object's fields. INVARIANT: any difference, in any part, gives another text. */
export function bindingText(binding: ApprovalBinding): string {
  return JSON.stringify([
    binding.principal,
    binding.target,
    binding.statementSha256,
    binding.parametersSha256,
    binding.policySha256,
    binding.catalogueVersion,
    binding.maskSetId,
  ]);
}

export function sameBinding(a: ApprovalBinding, b: ApprovalBinding): boolean {
  return bindingText(a) === bindingText(b);
}
