/**
 * A source of decisions that a random number stands behind each of. Whatever the numbers are, they decode to a valid program, so that
 * fast-check may drop and lessen them at will when it shrinks a failure: smaller numbers mean earlier and simpler choices.
 */
export class Choices {
  private at = 0;

  constructor(private readonly numbers: readonly number[]) {}

  /** A number from 0 up to, not with, `count`; 0 once the numbers have run out. */
  below(count: number): number {
    const number = this.numbers[this.at++] ?? 0;
    return count <= 0 ? 0 : number % count;
  }

  /** A whole number in a range, both ends included. */
  between(low: number, high: number): number {
    return low + this.below(high - low + 1);
  }

  /** True once in so many times. */
  rarely(times: number): boolean {
    return this.below(times) === times - 1;
  }

  flag(): boolean {
    return this.below(2) === 1;
  }

  of<T>(options: readonly T[]): T {
    const chosen = options[this.below(options.length)];
    if (chosen === undefined) throw new RangeError('nothing to choose from');
    return chosen;
  }

  /** An option that may be left out: no entry then. */
  option<T>(name: string, make: () => T): Record<string, T> {
    return this.flag() ? { [name]: make() } : {};
  }

  shuffled<T>(items: readonly T[]): T[] {
    const rest = [...items];
    const result: T[] = [];
    while (rest.length > 0) result.push(...rest.splice(this.below(rest.length), 1));
    return result;
  }

  /** Some of the items, at least `least`, in their order. */
  some<T>(items: readonly T[], least = 0): T[] {
    const chosen = items.filter(() => this.flag());
    return chosen.length >= least ? chosen : items.slice(0, least);
  }
}
