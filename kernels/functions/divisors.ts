/** The greatest common divisors of pairs of integers, by Euclid's algorithm. A work item is a pair. */
import { abs, type Buffer, type i32, remainder } from './language.js';

export function greatestDivisors(begin: i32, end: i32, x: Buffer<'T'>, y: Buffer<'T'>, out: Buffer<'T'>): void {
  for (let at = begin; at < end; at++) {
    let divisor = abs(x[at]!);
    let rest = abs(y[at]!);
    while (rest !== 0) {
      const next = remainder(divisor, rest);
      divisor = rest;
      rest = next;
    }
    out[at] = divisor;
  }
}
