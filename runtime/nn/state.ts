/**
 * Restoring state: copies named tensors into the tensors that a layer or an optimizer owns, after checking that all names, shapes and
 * dtypes fit. Either everything is restored or nothing is.
 */
import type { Shape } from '../../kernels/op.js';
import { isFloating } from '../dtype.js';
import { formatShape, OpwrightError } from '../errors.js';
import { sameShape } from '../layout.js';
import { Tensor } from '../tensor.js';
import { assign } from './parameter.js';

/** Tensors by name, `{ 'fc.weight': ..., 'fc.bias': ... }`: what stateDict() gives and files hold. */
export type StateDict = Record<string, Tensor>;

/**
 * Copies `source` into `targets`, converting between floating dtypes. Throws INVALID_ARGUMENT if names are missing or unexpected,
 * SHAPE_MISMATCH and DTYPE_MISMATCH; the message lists everything that does not fit.
 */
export function restoreState(owner: string, targets: Readonly<StateDict>, source: Readonly<StateDict>): void {
  const names = Object.keys(targets);
  const missing = names.filter((name) => !Object.hasOwn(source, name));
  const unexpected = Object.keys(source).filter((name) => !Object.hasOwn(targets, name));
  const pairs = names.filter((name) => Object.hasOwn(source, name)).map((name) => new Pair(name, targets[name]!, source[name]!));
  const shapes = pairs.filter(({ target, source }) => !sameShape(target.shape, source.shape));
  const dtypes = pairs.filter((pair) => !pair.convertible);
  const faults = [
    ...missing.map((name) => `missing: ${name} ${formatShape(targets[name]!.shape)}`),
    ...unexpected.map((name) => `unexpected: ${name}`),
    ...shapes.map(
      ({ name, target, source }) => `shape of ${name}: ${formatShape(target.shape)} here, ${formatShape(source.shape)} given`,
    ),
    ...dtypes.map(({ name, target, source }) => `dtype of ${name}: ${target.dtype} here, ${source.dtype} given`),
  ];
  if (faults.length > 0) {
    const code =
      missing.length + unexpected.length > 0 ? 'INVALID_ARGUMENT' : shapes.length > 0 ? 'SHAPE_MISMATCH' : 'DTYPE_MISMATCH';
    throw mismatch(owner, code, faults, shapes);
  }
  for (const { target, source } of pairs) assign(target, source);
}

/** A tensor and what shall be copied into it. */
class Pair {
  constructor(
    readonly name: string,
    readonly target: Tensor,
    readonly source: Tensor,
  ) {
    if (!(source instanceof Tensor)) {
      throw new OpwrightError('INVALID_ARGUMENT', `The state's entry ${name} is no tensor.`, {
        op: 'setStateDict',
        argument: name,
      });
    }
    source.checkUsable('setStateDict', name);
  }

  get convertible(): boolean {
    return this.target.dtype === this.source.dtype || (isFloating(this.target.dtype) && isFloating(this.source.dtype));
  }
}

function mismatch(
  owner: string,
  code: 'INVALID_ARGUMENT' | 'SHAPE_MISMATCH' | 'DTYPE_MISMATCH',
  faults: readonly string[],
  shapes: readonly Pair[],
): OpwrightError {
  const given: [string, Shape][] = shapes.map(({ name, source }) => [name, source.shape]);
  return new OpwrightError(code, `The state does not fit this ${owner}:\n    ${faults.join('\n    ')}`, {
    op: 'setStateDict',
    ...(given.length === 0 ? {} : { shapes: Object.fromEntries(given) }),
    remedy: 'To restore a part only, spread it over what is there: setStateDict({ ...x.stateDict(), ...part }).',
  });
}
