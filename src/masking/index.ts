// Masks as the adapters, the policy and the documents use them.

export { maskExpression, type ProtectedColumn } from './mask-expression.ts';
export { MASK_METHOD_ROWS, maskSql, TOKEN_KEY_SETTING, type MaskMethodRow } from './methods.ts';
