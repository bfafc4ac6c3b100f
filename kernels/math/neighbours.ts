/** The floating-point numbers next to others, by their bits: as integers, patterns of one sign are in the order of the numbers' sizes. */
import { add, bits, compare, constant, eq, gt, ne, or, select, sub } from '../build.js';
import type { Expr } from '../ir.js';
import type { Share } from './half.js';
import { integerBits, withSign } from './writer.js';

/** The number after x in the direction of y; y itself where both are equal, NaN where either is. */
export function nextAfter(x: Expr, y: Expr, share: Share): Expr {
  const [from, to] = [share(x), share(y)];
  const pattern = share(integerBits(from));
  const zero = constant(from.type, 0);
  const shrinks = compare('ne', gt(to, from), gt(from, zero));
  const stepped = bits(from.type, select(shrinks, sub(pattern, 1), add(pattern, 1)));
  const least = withSign(bits(from.type, constant(pattern.type, 1)), to);
  const isUnordered = or(ne(from, from), ne(to, to));
  return select(isUnordered, add(from, to), select(eq(from, to), to, select(eq(from, zero), least, stepped)));
}
