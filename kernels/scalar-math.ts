/**
 * Mathematical functions in float64 that JavaScript lacks, or defines otherwise than C: the reference to which kernels are held.
 *
 * They favour accuracy (a few ulp, but next to the zeros of lgamma and digamma below 0) and shortness over speed. Kernels do not
 * call them; they use polynomials of their own.
 */

/** C's pow: 1 where the base is 1, or where it is -1 and the exponent infinite. */
export function pow(base: number, exponent: number): number {
  if (base === 1 || (base === -1 && Math.abs(exponent) === Infinity)) return 1;
  return base ** exponent;
}

/** The error function. Abramowitz and Stegun 7.1.6 below 1, where all terms are positive. */
export function erf(x: number): number {
  if (Math.abs(x) > 1) return Math.sign(x) * (1 - erfcAbove(Math.abs(x)));
  if (x === 0 || Number.isNaN(x)) return x;
  let term = x;
  let sum = x;
  for (let n = 1; Math.abs(term) > Math.abs(sum) * 1e-18; n++) {
    term *= (2 * x * x) / (2 * n + 1);
    sum += term;
  }
  return (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * sum;
}

export function erfc(x: number): number {
  if (x > 1) return erfcAbove(x);
  return 1 - erf(x);
}

/** erfc(x) for x > 1, by the continued fraction (Abramowitz and Stegun 7.1.14). */
function erfcAbove(x: number): number {
  if (x > 28) return 0;
  let fraction = x;
  for (let n = 500; n >= 1; n--) fraction = x + n / 2 / fraction;
  // exp(-x * x) with the square split, since an error in it grows with x.
  const high = Math.fround(x);
  return (Math.exp(-high * high) * Math.exp((high - x) * (high + x))) / fraction / Math.sqrt(Math.PI);
}

/** The number whose error function is x, by Halley's steps on whichever of erf and erfc does not cancel. */
export function erfinv(x: number): number {
  const size = Math.abs(x);
  if (!(size < 1)) return size === 1 ? x * Infinity : NaN;
  if (size < 1e-9) return (x * Math.sqrt(Math.PI)) / 2;
  const logarithm = Math.log((1 - size) * (1 + size));
  const mean = 4.33 + logarithm / 2;
  let value = Math.sqrt(Math.sqrt(mean * mean - logarithm / 0.147) - mean);
  for (let step = 0; step < 4; step++) {
    const excess = size < 0.5 ? erf(value) - size : 1 - size - erfc(value);
    const newton = (excess * Math.sqrt(Math.PI)) / (2 * Math.exp(-value * value));
    value -= newton / (1 + value * newton);
  }
  return x < 0 ? -value : value;
}

const eulerGamma = 0.5772156649015329;

/** zeta(k) - 1 for k = 2..40, by summation and the Euler-Maclaurin formula for what is left. */
const zetaMinusOne: readonly number[] = Array.from({ length: 39 }, (_, index) => {
  const k = index + 2;
  const n = 100;
  let sum = n ** (1 - k) / (k - 1) - n ** -k / 2 + (k * n ** (-k - 1)) / 12;
  sum -= (k * (k + 1) * (k + 2) * n ** (-k - 3)) / 720;
  sum += (k * (k + 1) * (k + 2) * (k + 3) * (k + 4) * n ** (-k - 5)) / 30240;
  for (let i = n; i >= 2; i--) sum += i ** -k;
  return sum;
});

/** log(|gamma(x)|). */
export function lgamma(x: number): number {
  if (Number.isNaN(x)) return NaN;
  if (x <= 0 && Number.isInteger(x)) return Infinity;
  if (Math.abs(x) === Infinity) return Infinity;
  if (x < 0.5) return Math.log(Math.PI / Math.abs(sinPi(x))) - lgamma(1 - x);
  if (x < 1.5) return lgammaAtTwo(x - 1) - Math.log1p(x - 1);
  if (x < 2.5) return lgammaAtTwo(x - 2);
  let product = 1;
  let shifted = x;
  for (; shifted < 12; shifted++) product *= shifted;
  return stirling(shifted) - Math.log(product);
}

/** lgamma(2 + z) for |z| <= 1/2, by its Taylor series; exact where it is 0. */
function lgammaAtTwo(z: number): number {
  let sum = 0;
  for (let k = 40; k >= 2; k--) sum = -z * sum + zetaMinusOne[k - 2]! / k;
  return z * (1 - eulerGamma + z * sum);
}

function stirling(x: number): number {
  const inverse = 1 / (x * x);
  const coefficients = [1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188, -691 / 360360, 1 / 156];
  const series = coefficients.reduceRight((sum, coefficient) => sum * inverse + coefficient, 0);
  return (x - 0.5) * Math.log(x) - x + 0.5 * Math.log(2 * Math.PI) + series / x;
}

/** The derivative of lgamma; NaN at the negative integers, and an infinity of the other sign at 0. */
export function digamma(x: number): number {
  if (x === 0) return Object.is(x, -0) ? Infinity : -Infinity;
  if (x < 0) return Number.isInteger(x) || x === -Infinity ? NaN : digamma(1 - x) - Math.PI / Math.tan(Math.PI * (x % 1));
  let sum = 0;
  let shifted = x;
  for (; shifted < 12; shifted++) sum -= 1 / shifted;
  const inverse = 1 / (shifted * shifted);
  const coefficients = [1 / 12, -1 / 120, 1 / 252, -1 / 240, 1 / 132, -691 / 32760, 1 / 12];
  const series = coefficients.reduceRight((total, coefficient) => total * inverse + coefficient, 0);
  return sum + Math.log(shifted) - 0.5 / shifted - series * inverse;
}

/** e^(-|x|) times the modified Bessel function of order 0. */
export const i0e = (x: number): number => scaledBessel(Math.abs(x), 0);

/** e^(-|x|) times the modified Bessel function of order 1. */
export const i1e = (x: number): number => (x < 0 ? -scaledBessel(-x, 1) : scaledBessel(x, 1));

/** The power series up to 30, where its terms are positive, and the asymptotic one from there on. */
function scaledBessel(a: number, order: 0 | 1): number {
  let term = a < 30 && order === 1 ? a / 2 : 1;
  let sum = term;
  for (let k = 1; Math.abs(term) > 1e-18 * sum; k++) {
    term *= a < 30 ? (a * a) / (4 * k * (k + order)) : ((2 * k - 1) ** 2 - 4 * order) / (8 * k * a);
    sum += term;
  }
  return a < 30 ? Math.exp(-a) * sum : sum / Math.sqrt(2 * Math.PI * a);
}

function sinPi(x: number): number {
  return Math.sin(Math.PI * (x % 2));
}

/** The number after x in the direction of y; y itself where both are equal, NaN where either is. */
export function nextAfter(x: number, y: number): number {
  if (Number.isNaN(x) || Number.isNaN(y)) return Number.NaN;
  if (x === y) return y;
  if (x === 0) return y > 0 ? Number.MIN_VALUE : -Number.MIN_VALUE;
  const [pattern = 0n] = new BigInt64Array(Float64Array.of(x).buffer);
  const next = y > x === x > 0 ? pattern + 1n : pattern - 1n;
  return new Float64Array(BigInt64Array.of(next).buffer)[0] ?? Number.NaN;
}
