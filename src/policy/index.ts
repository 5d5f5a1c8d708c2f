// The policy engine, as the gate, the services and the command line use it.

export { checkPolicy, type LiveTarget } from './check.ts';
export { CONDITION_FIELDS, type SessionFacts } from './condition-fields.ts';
export { CONDITION_FUNCTIONS } from './condition.ts';
export { decide, type DecisionContext, type RuleOutcome, type RuleTrial } from './decide.ts';
export {
  type AccessChange,
  type ClassChange,
  diffPolicies,
  type MaskChange,
  memberText,
  type PolicyDiff,
  type RoleChange,
  type RuleChange,
} from './diff.ts';
export { explain, type Explanation } from './explain.ts';
export { isPolicyFile, type PolicyReader, withIncludes } from './includes.ts';
export { type MatrixCell, masksOfRole, type PolicyMatrix, policyMatrix } from './matrix.ts';
export { type LoadedPolicy, type LoadInput, loadPolicy, type PolicyText } from './load.ts';
export { masksFor, type SubjectOf, subjectsOf } from './masks.ts';
export { PACK_NAMES, type PackLookup } from './packs.ts';
export type { Policy, PolicyRule, PolicyTest } from './policy.ts';
export { classRules, type PolicyColumnRule } from './class-rules.ts';
export { type AccessOffer, isOffered, offersOf } from './grants.ts';
export { columnMatches, globMatches, targetMatches } from './patterns.ts';
export { accessOf, hasAccess, isMember, rolesOf } from './roles.ts';
export { type AnalyseForTest, type PolicyTestOptions, type PolicyTestResult, runPolicyTests } from './run-tests.ts';
export { policyFileSchema } from './schema.ts';
export { type Fault, type Locator, type ParsedSource, parseYamlDocument, type Path, type Place, renderFault } from './source.ts';
export { filesSha256, loadVersion, type PolicySource, splitSource } from './versions.ts';
