// The text of verify.mjs. In a checkout it is bundled when it is asked for, by esbuild, which only developers have; in the package
// scripts/build.ts puts the text itself here. Both call the same (verifier-build.ts).

export async function loadVerifier(): Promise<string> {
  const { buildVerifier } = await import('./verifier-build.ts');
  return buildVerifier();
}
