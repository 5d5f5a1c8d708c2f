// The tokens of one principal as the SQL engine asks for them: which columns show them, what they stand for, and how the
// target opens them. Between `masking`, which knows tokens, and `sql`, which knows statements.

import { maskFor, type MaskMethod, maskOfClass, type MaskSet, methodOf } from '../../core/decision.ts';
import { meansToken, meansUuidToken, openedToken, type TokenSpace } from '../../masking/index.ts';
import type { Relation } from '../../sql/catalogue.ts';
import type { Tokens } from '../../sql/token-values.ts';

/** Types of texts that can be put back: text, varchar, char. */
const textTypes: ReadonlySet<number> = new Set([25, 1042, 1043]);

type SubjectOf = (className: string, relation: Relation) => string | null | undefined;

/** @returns null when no class is shown by tokens, digests or shifted dates. */
export function tokensOf(space: TokenSpace, masks: MaskSet, subjectOf: SubjectOf = () => undefined): Tokens | null {
  const shownBy = (...methods: readonly MaskMethod[]): string[] =>
    Object.keys(masks.byClass).filter((name) => methods.includes(methodOf(maskOfClass(name, masks))));
  const classes = shownBy('token');
  if (shownBy('token', 'hash', 'date-shift').length === 0) return null;
  return {
    columnOf(relation, column, its) {
      const mask = maskFor(its, masks);
      const className = its.find((name) => maskOfClass(name, masks) === mask) ?? '';
      if (methodOf(mask) === 'hash') return { className, form: 'digest' };
      if (methodOf(mask) === 'date-shift') {
        const subject = subjectOf(className, relation);
        return { className, form: 'shift', ...(typeof subject === 'string' ? { subject } : {}) };
      }
      if (methodOf(mask) !== 'token') return null;
      const { baseType } = column;
      const isText =
        baseType === undefined
          ? textTypes.has(column.typeOid) || isCitext(column.typeName)
          : baseType.typeSchema === 'pg_catalog' && (baseType.typeName === 'text' || baseType.typeName === 'character varying');
      return { className, form: isText ? 'text' : 'other' };
    },
    meansToken,
    holdsToken: (text) => meansUuidToken(text) || /\btok_[a-z]+_/.test(text),
    renew(className, text) {
      if (className !== null) return space.renew(className, text);
      // It stands for the same value in whatever class it was issued.
      for (const name of classes) {
        const renewed = space.renew(name, text);
        if ('token' in renewed) return renewed;
      }
      return { fault: 'forged' };
    },
    isOneWay: (text) => space.isOneWay(text),
    maxBytes: (token) => space.maxBytes(token),
    open: (token, className) => openedToken(token, className, space.keyId),
  };
}

const isCitext = (typeName: string): boolean => /^(?:[^.]*\.)?"?citext"?$/.test(typeName);
