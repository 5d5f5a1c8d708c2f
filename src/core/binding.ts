// What an approval is bound to, compared part by part.

import type { ApprovalBinding } from './ports.ts';

/** INVARIANT: any difference, in any part, makes two bindings different. */
export function sameBinding(a: ApprovalBinding, b: ApprovalBinding): boolean {
  return (
    a.principal === b.principal &&
    a.target === b.target &&
    a.statementSha256 === b.statementSha256 &&
    a.parametersSha256 === b.parametersSha256 &&
    a.policySha256 === b.policySha256 &&
    a.catalogueVersion === b.catalogueVersion &&
    a.maskSetId === b.maskSetId
  );
}
