// The only place that reads `process.env` for the gateway. On its own: the command line needs it before, and mostly without, a
// configuration.

/** The environment of the gateway. */
export function environment(): Readonly<Record<string, string | undefined>> {
  return process.env;
}
