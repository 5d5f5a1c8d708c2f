// Every key of `sallyport.yaml` as a dotted path (`targets[].tls.mode`), read from the schema. The docs test compares
// docs/config.md with it, and `npm run build` publishes the schema for editors.

import { z } from 'zod';
import { configSchema } from '../src/app/config-schema.ts';

interface JsonSchema {
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly items?: JsonSchema;
  readonly anyOf?: readonly JsonSchema[];
  readonly oneOf?: readonly JsonSchema[];
}

export function configJsonSchema(): JsonSchema {
  return z.toJSONSchema(configSchema, { io: 'input', unrepresentable: 'any' }) as JsonSchema;
}

export function configKeys(): string[] {
  const keys = new Set<string>();
  const visit = (schema: JsonSchema, path: string): void => {
    for (const branch of [...(schema.anyOf ?? []), ...(schema.oneOf ?? [])]) visit(branch, path);
    if (schema.items !== undefined) visit(schema.items, `${path}[]`);
    for (const [name, child] of Object.entries(schema.properties ?? {})) {
      const at = path === '' ? name : `${path}.${name}`;
      keys.add(at);
      visit(child, at);
    }
  };
  visit(configJsonSchema(), '');
  return [...keys].sort();
}
