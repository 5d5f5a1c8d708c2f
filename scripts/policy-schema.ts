// The policy language for machines: its JSON Schema (`node scripts/policy-schema.ts` prints it, for editors) and every
// key as a dotted path (`rules[].approvers.role`), which a test compares with docs/policy.md.

import { z } from 'zod';
import { policyFileSchema } from '../src/policy/index.ts';

interface JsonSchema {
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly items?: JsonSchema;
  readonly anyOf?: readonly JsonSchema[];
}

export function policyJsonSchema(): JsonSchema {
  return z.toJSONSchema(policyFileSchema, { io: 'input', unrepresentable: 'any' }) as JsonSchema;
}

/** Sorted. */
export function policyKeys(): string[] {
  const keys = new Set<string>();
  const visit = (schema: JsonSchema, path: string): void => {
    for (const branch of schema.anyOf ?? []) visit(branch, path);
    if (schema.items !== undefined) visit(schema.items, `${path}[]`);
    for (const [name, child] of Object.entries(schema.properties ?? {})) {
      const at = path === '' ? name : `${path}.${name}`;
      keys.add(at);
      visit(child, at);
    }
  };
  visit(policyJsonSchema(), '');
  return [...keys].toSorted();
}

if (import.meta.main) console.log(JSON.stringify(policyJsonSchema(), null, 2));
