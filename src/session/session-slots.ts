// How many sessions may be open at a time, counted for all threads of the process in shared memory.

export interface SessionSlots {
  /** Takes a slot for a session. @returns false when none is free. */
  tryTake(): boolean;
  /** Gives back a slot that was taken. */
  give(): void;
}

/** The counter, ready to cross to another thread. */
export function createSlotMemory(): SharedArrayBuffer {
  return new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT);
}

/** @param memory shared by all threads that count together. */
export function createSessionSlots(maxSessions: number, memory = createSlotMemory()): SessionSlots {
  const taken = new Int32Array(memory);
  return {
    tryTake() {
      // Taken first and looked at after: two threads never both get the last one.
      if (Atomics.add(taken, 0, 1) < maxSessions) return true;
      Atomics.sub(taken, 0, 1);
      return false;
    },
    give() {
      Atomics.sub(taken, 0, 1);
    },
  };
}
