/** Powers of integers, for targets that have no function for them. */
import { and, constant, eq, lt, mul, ne, select, shr } from '../build.js';
import type { Expr } from '../ir.js';
import type { Writer } from './writer.js';

/** By squaring, a round for each bit of the exponent; a negative exponent gives 0, but for bases 1 and -1. */
export function integerPower(x: Expr, y: Expr, { share }: Writer): Expr {
  const unit = constant(x.type, 1);
  let result: Expr = unit;
  let base = x;
  const bits = x.type.scalar === 'i64' ? 63 : 31;
  for (let bit = 0; bit < bits; bit++) {
    result = share(select(ne(and(shr(y, bit), 1), 0), mul(result, base), result));
    if (bit < bits - 1) base = share(mul(base, base));
  }
  const odd = ne(and(y, 1), 0);
  const unitBase = select(eq(x, 1), unit, select(eq(x, -1), select(odd, constant(x.type, -1), unit), constant(x.type, 0)));
  return select(lt(y, 0), unitBase, result);
}
