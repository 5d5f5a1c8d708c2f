// "Did you mean": the closest known word by edit distance, or nothing when none is close.

const maxWordLength = 64;

/** Optimal string alignment distance: insert, delete, replace, or swap two neighbours. */
function editDistance(left: string, right: string): number {
  const width = right.length + 1;
  let twoBack: number[] = [];
  let previous = Array.from({ length: width }, (_, index) => index);
  for (let row = 1; row <= left.length; row++) {
    const current = [row];
    for (let column = 1; column < width; column++) {
      const same = left[row - 1] === right[column - 1];
      let best = Math.min((previous[column] ?? 0) + 1, (current[column - 1] ?? 0) + 1, (previous[column - 1] ?? 0) + (same ? 0 : 1));
      const swapped = row > 1 && column > 1 && left[row - 1] === right[column - 2] && left[row - 2] === right[column - 1];
      if (swapped) best = Math.min(best, (twoBack[column - 2] ?? 0) + 1);
      current.push(best);
    }
    twoBack = previous;
    previous = current;
  }
  return previous[width - 1] ?? 0;
}

/** The known word closest to `word`; null when nothing is within a third of its length (at least one edit). */
export function closest(word: string, known: Iterable<string>): string | null {
  if (word.length > maxWordLength) return null;
  const lower = word.toLowerCase();
  let best: string | null = null;
  let bestDistance = Math.max(1, Math.floor(word.length / 3)) + 1;
  for (const candidate of known) {
    if (candidate.length > maxWordLength) continue;
    const distance = editDistance(lower, candidate.toLowerCase());
    if (distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}
