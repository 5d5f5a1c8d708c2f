// The policy engine, as the gate, the services and the command line use it.

export { checkPolicy, type LiveTarget } from './check.ts';
export { CONDITION_FIELDS } from './condition-fields.ts';
export { CONDITION_FUNCTIONS } from './condition.ts';
export { decide, type DecisionContext, type RuleOutcome, type RuleTrial } from './decide.ts';
export { explain, type Explanation } from './explain.ts';
export { type LoadedPolicy, type LoadInput, loadPolicy, type PolicyText } from './load.ts';
export { masksFor } from './masks.ts';
export { PACK_NAMES, type PackLookup } from './packs.ts';
export type { Policy, PolicyRule, PolicyTest } from './policy.ts';
export { classRules, type PolicyColumnRule } from './class-rules.ts';
export { hasAccess, rolesOf } from './roles.ts';
export { type AnalyseForTest, type PolicyTestOptions, type PolicyTestResult, runPolicyTests } from './run-tests.ts';
export { policyFileSchema } from './schema.ts';
export { type Fault, type Locator, type ParsedSource, parseYamlDocument, type Path, type Place, renderFault } from './source.ts';
