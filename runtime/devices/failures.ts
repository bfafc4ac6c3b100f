/**
 * What a kernel means that reports a failure: the table of the codes that kernel functions hand to `fail`, and the error of each. Code 1
 * is also that of kernels made from index notation.
 */
import { type ErrorCode, type ErrorDetails, OpwrightError } from '../errors.js';

interface Failure {
  readonly code: ErrorCode;
  readonly summary: string;
  readonly rule: string;
  readonly remedy: string;
}

const failures: Readonly<Record<number, Failure>> = {
  1: {
    code: 'INDEX_OUT_OF_RANGE',
    summary: 'An index is out of range',
    rule: 'every index lies within the dimension that it selects from',
    remedy: 'Check the values of the index tensor against the size of that dimension.',
  },
  2: {
    code: 'SINGULAR_MATRIX',
    summary: 'A matrix has no inverse: a pivot is 0',
    rule: 'every matrix is regular',
    remedy: 'Use lstsq or pinv, or add a small multiple of the identity.',
  },
  3: {
    code: 'NOT_POSITIVE_DEFINITE',
    summary: 'A matrix is not positive definite',
    rule: 'every matrix is symmetric and has positive eigenvalues only',
    remedy: 'Look at eigvalsh of the matrix; rounding errors are made up for by a small multiple of the identity.',
  },
  4: {
    code: 'NO_CONVERGENCE',
    summary: 'An iteration for eigenvalues or singular values does not settle',
    rule: 'every element is finite',
    remedy: 'Look for NaN and infinities among the elements.',
  },
};

/** The error of a kernel that failed with `code`; `where` is added to its sentence. */
export function kernelFailure(code: number, kernel: string, where = '', details: ErrorDetails = {}): OpwrightError {
  const failure = failures[code];
  if (failure === undefined) throw new RangeError(`the kernel ${kernel} failed with the unknown code ${code}`);
  const { summary, rule, remedy } = failure;
  return new OpwrightError(failure.code, `${summary} in the kernel ${kernel}${where}.`, { rule, remedy, ...details });
}
