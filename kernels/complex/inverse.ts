/**
 * The inverses of the circular and hyperbolic functions of complex numbers, by Kahan's formulas (Branch Cuts for Complex Elementary Functions,
 * 1987): products of square roots of 1 - z and 1 + z, whose parts lose nothing to cancellation. Where |z| is so large that 1 is lost beside it,
 * by the logarithm of 2 |z|, so that nothing overflows. Branch cuts and signs of zero are C99's.
 */
import { abs, add, binary, constant, div, eq, gt, mul, neg, or, select, sub, unary } from '../build.js';
import type { Expr } from '../ir.js';
import type { Share } from '../math/half.js';
import { withSign } from '../math/writer.js';
import { scaledSizes } from './arithmetic.js';

interface Parts {
  readonly real: Expr;
  readonly imaginary: Expr;
}
/** A function of the parts of one number, and of where shared values go. */
type OfNumber = (z: Parts, share: Share) => Parts;

/** The square root and the logarithm of the size, which functions.ts has. */
export interface Roots {
  squareRoot(z: Parts, share: Share): Parts;
  logSize(z: Parts, share: Share): Expr;
}

export interface InverseFunctions {
  readonly asin: OfNumber;
  readonly acos: OfNumber;
  readonly atan: OfNumber;
  readonly asinh: OfNumber;
  readonly acosh: OfNumber;
  readonly atanh: OfNumber;
}

const angle = (y: Expr, x: Expr): Expr => binary('atan2', y, x);
const realAsinh = (x: Expr): Expr => unary('asinh', x);
const half = (x: Expr): Expr => mul(x, constant(x.type, 0.5));
/** i z and -i z. */
const turnedLeft = ({ real, imaginary }: Parts): Parts => ({ real: neg(imaginary), imaginary: real });
const turnedRight = ({ real, imaginary }: Parts): Parts => ({ real: imaginary, imaginary: neg(real) });
/** Beside such a number 1 is less than the rounding error. */
const isFar = ({ real, imaginary }: Parts, share: Share): Expr => {
  const limit = constant(real.type, real.type.scalar === 'f64' ? 2 ** 54 : 2 ** 25);
  return share(or(gt(abs(real), limit), gt(abs(imaginary), limit)));
};

export function inverseFunctions({ squareRoot, logSize }: Roots): InverseFunctions {
  const shared = ({ real, imaginary }: Parts, share: Share): Parts => ({ real: share(real), imaginary: share(imaginary) });
  const rootsAround = ({ real: x, imaginary: y }: Parts, share: Share) => ({
    below: shared(squareRoot({ real: share(sub(1, x)), imaginary: share(neg(y)) }, share), share),
    above: shared(squareRoot({ real: share(add(1, x)), imaginary: y }, share), share),
  });
  const logOfDouble = (z: Parts, share: Share): Expr => share(add(logSize(z, share), constant(z.real.type, Math.LN2)));

  const asin: OfNumber = (z, share) => {
    const { below, above } = rootsAround(z, share);
    const cosine = sub(mul(below.real, above.real), mul(below.imaginary, above.imaginary));
    const height = sub(mul(below.real, above.imaginary), mul(below.imaginary, above.real));
    const far = isFar(z, share);
    return {
      real: angle(z.real, select(far, abs(z.imaginary), cosine)),
      imaginary: withSign(share(select(far, logOfDouble(z, share), abs(realAsinh(share(height))))), z.imaginary),
    };
  };

  const acos: OfNumber = (z, share) => {
    const { below, above } = rootsAround(z, share);
    const height = sub(mul(above.real, below.imaginary), mul(above.imaginary, below.real));
    const far = isFar(z, share);
    const real = mul(angle(below.real, above.real), constant(z.real.type, 2));
    const size = share(select(far, logOfDouble(z, share), abs(realAsinh(share(height)))));
    return {
      real: select(far, angle(abs(z.imaginary), z.real), real),
      imaginary: withSign(size, share(neg(z.imaginary))),
    };
  };

  /** |Im acos z| + i Re acos z, with the sign of z's imaginary part. */
  const acosh: OfNumber = (z, share) => {
    const { real, imaginary } = acos(z, share);
    return { real: abs(imaginary), imaginary: withSign(share(real), z.imaginary) };
  };

  /** 4 x / |1 - z|^2 is divided by the larger part of 1 - z twice, which does not overflow. */
  const atanh: OfNumber = (z, share) => {
    const { real: x, imaginary: y } = z;
    const size = share(abs(x));
    const { larger, ratio } = scaledSizes(share(sub(1, size)), y, share);
    const scaled = div(div(mul(div(size, larger), constant(x.type, 4)), larger), add(1, mul(ratio, ratio)));
    const isEndless = eq(larger, constant(x.type, 'inf'));
    const growth = select(isEndless, constant(x.type, 0), mul(unary('log1p', share(scaled)), constant(x.type, 0.25)));
    const turn = half(angle(mul(y, constant(y.type, 2)), sub(mul(sub(1, size), add(1, size)), mul(y, y))));
    const quarter = withSign(constant(y.type, Math.PI / 2), y);
    return { real: withSign(share(growth), x), imaginary: select(isFar(z, share), quarter, turn) };
  };

  return {
    asin,
    acos,
    acosh,
    atanh,
    asinh: (z, share) => turnedRight(asin(shared(turnedLeft(z), share), share)),
    atan: (z, share) => turnedRight(atanh(shared(turnedLeft(z), share), share)),
  };
}
