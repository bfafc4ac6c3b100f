/**
 * e^(-|x|) I(x) for the modified Bessel functions of order 0 and 1, in float32 and float64. Scaled, they neither overflow nor lose
 * their place among others; what is not scaled is made of them in the spec.
 */
import { abs, constant, div, fma, lt, mul, neg, select, sqrt, sub } from '../build.js';
import type { Expr } from '../ir.js';
import { BESSEL_LIMIT, type BesselTables, ORDER_ONE, ORDER_ZERO } from './bessel-tables.js';
import { type Formula, horner, type Writer, withSign } from './writer.js';

/** Up to the limit e^-a (1 + q P(q)), q = a^2 / 4, where all terms are positive; beyond it Q(16 / a - 1) / sqrt(a). */
function scaledBessel(a: Expr, isFirstOrder: boolean, writer: Writer): Expr {
  const { share } = writer;
  const { near, far } = tablesOf(a, isFirstOrder ? ORDER_ONE : ORDER_ZERO);
  const isNear = share(lt(a, BESSEL_LIMIT));
  const bounded = share(select(isNear, a, BESSEL_LIMIT));
  const q = share(mul(mul(bounded, bounded), 0.25));
  const series = fma(horner(q, near), q, constant(a.type, 1));
  const small = mul(writer.apply('exp', neg(bounded)), isFirstOrder ? mul(mul(bounded, 0.5), series) : series);
  const inverse = share(sub(div(2 * BESSEL_LIMIT, select(isNear, constant(a.type, BESSEL_LIMIT), a)), 1));
  return select(isNear, small, div(horner(inverse, far), sqrt(a)));
}

const tablesOf = ({ type }: Expr, tables: Readonly<Record<'single' | 'double', BesselTables>>): BesselTables =>
  tables[type.scalar === 'f64' ? 'double' : 'single'];

export const i0e: Formula = (x, writer) => scaledBessel(writer.share(abs(x)), false, writer);

/** An odd function. */
export const i1e: Formula = (x, writer) => withSign(scaledBessel(writer.share(abs(x)), true, writer), x);
