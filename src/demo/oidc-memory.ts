// What the development identity provider remembers: in memory, gone with the process. (`oidc-provider` has such an
// adapter too, but it prints a warning into the demo's output.)

type Payload = Readonly<Record<string, unknown>>;

interface Kept {
  readonly payload: Payload;
  readonly untilMs: number;
}

/** A storage class for `new Provider(..., { adapter })`; all models of one provider share what it keeps. */
export function createMemoryAdapter(): new (model: string) => object {
  const kept = new Map<string, Kept>();

  const live = (key: string): Payload | undefined => {
    const entry = kept.get(key);
    if (entry === undefined) return undefined;
    if (Date.now() < entry.untilMs) return entry.payload;
    kept.delete(key);
    return undefined;
  };

  return class MemoryAdapter {
    readonly #model: string;

    constructor(model: string) {
      this.#model = model;
    }

    #findBy(field: string, value: string): Payload | undefined {
      for (const key of kept.keys()) {
        if (!key.startsWith(`${this.#model}:`)) continue;
        const payload = live(key);
        if (payload?.[field] === value) return payload;
      }
      return undefined;
    }

    async upsert(id: string, payload: Payload, expiresInS?: number): Promise<void> {
      const untilMs = expiresInS === undefined ? Number.POSITIVE_INFINITY : Date.now() + expiresInS * 1000;
      kept.set(`${this.#model}:${id}`, { payload, untilMs });
    }

    async find(id: string): Promise<Payload | undefined> {
      return live(`${this.#model}:${id}`);
    }

    async findByUid(uid: string): Promise<Payload | undefined> {
      return this.#findBy('uid', uid);
    }

    async findByUserCode(userCode: string): Promise<Payload | undefined> {
      return this.#findBy('userCode', userCode);
    }

    async consume(id: string): Promise<void> {
      const key = `${this.#model}:${id}`;
      const entry = kept.get(key);
      if (entry) kept.set(key, { ...entry, payload: { ...entry.payload, consumed: Math.floor(Date.now() / 1000) } });
    }

    async destroy(id: string): Promise<void> {
      kept.delete(`${this.#model}:${id}`);
    }

    async revokeByGrantId(grantId: string): Promise<void> {
      for (const [key, entry] of kept) {
        if (entry.payload['grantId'] === grantId) kept.delete(key);
      }
    }
  };
}
