// Masks as the adapters, the policy and the documents use them.

export { maskExpression, type MaskedColumn, type ProtectedColumn } from './mask-expression.ts';
export { type ColumnToMask, MASK_METHOD_ROWS, maskSql, type MaskMethodRow } from './methods.ts';
export { TOKEN_KEY_SETTING, TOKEN_STREAM_KEY_SETTING } from './keyed.ts';
export { openedToken } from './token-sql.ts';
export {
  deriveTokenKey,
  meansToken,
  meansUuidToken,
  type TokenFault,
  type TokenKey,
  TOKEN_KEY_STATES,
  type TokenKeyState,
  TokenSpace,
} from './token.ts';
export { civilOf, DAY_SECONDS } from './civil.ts';
export { longestText, type ValueFamily, type ValueMask, valueMask, type ValueMaskOptions } from './value-mask.ts';
