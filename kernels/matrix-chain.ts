/** The order in which the product of several matrices needs the fewest multiplications, by dynamic programming over parts of the chain. */

interface Part {
  /** Multiplications. */
  readonly cost: number;
  /** The place of the first matrix of the right half. */
  readonly cut: number;
}

/** Before which matrix a chain is split. Matrix i is sizes[i] by sizes[i + 1]; of equally good places it is the first, and 0 where there is one matrix. */
export function chainSplit(sizes: readonly number[]): number {
  const count = sizes.length - 1;
  const best = new Map<string, Part>();
  const partOf = (first: number, last: number): Part => best.get(`${first},${last}`) ?? { cost: 0, cut: 0 };
  for (let length = 2; length <= count; length++) {
    for (let first = 0; first + length <= count; first++) {
      const last = first + length;
      const cuts = Array.from({ length: length - 1 }, (_, index): Part => {
        const cut = first + index + 1;
        const own = sizes[first]! * sizes[cut]! * sizes[last]!;
        return { cut, cost: partOf(first, cut).cost + partOf(cut, last).cost + own };
      });
      best.set(
        `${first},${last}`,
        cuts.reduce((left, right) => (right.cost < left.cost ? right : left)),
      );
    }
  }
  return partOf(0, count).cut;
}
