/**
 * The one error class of the library and the table of its codes. It formats what it is given; which rule failed, and how to mend
 * it, is known only where the error is thrown.
 */
import type { Shape } from '../kernels/op.js';

/**
 * Every code and what it means. Codes are stable: programs may compare them.
 *
 * @example
 * ```ts
 * console.log(errorCodes.SHAPE_MISMATCH);
 * ```
 */
export const errorCodes = {
  SHAPE_MISMATCH: 'The shapes of the arguments do not fit together or do not fit the op.',
  RANK_MISMATCH: 'An argument has a number of dimensions that the op does not take.',
  DTYPE_MISMATCH: 'An argument has a dtype that the op does not take, or two arguments must share one and do not.',
  DEVICE_MISMATCH: 'Two arguments lie on different devices.',
  AXIS_OUT_OF_RANGE: 'An axis lies outside [-rank, rank).',
  INVALID_ARGUMENT: 'An argument has the wrong type, or a value that the op does not take.',
  UNKNOWN_OPTION: 'An options object has a key that the op does not know.',
  MISSING_ARGUMENT: 'A required argument was not given.',
  RAGGED_ARRAY: 'Nested arrays whose rows differ in length or depth cannot become a tensor.',
  NOT_AN_INTEGER: 'An integer dtype, dimension or option was given a value that is no integer or does not fit.',
  SIZE_TOO_LARGE: 'A tensor would have more elements than kernels can index (2^31 - 1).',
  EMPTY_REDUCTION: 'A reduction without a neutral element has nothing to reduce.',
  INDEX_OUT_OF_RANGE: 'An index, found while a kernel ran or while elements were read, lies outside its dimension.',
  SINGULAR_MATRIX: 'A matrix has no inverse, found while a kernel ran.',
  NOT_POSITIVE_DEFINITE: 'A matrix is not positive definite, found while a kernel ran.',
  NO_CONVERGENCE: 'An iteration for eigenvalues or singular values did not settle, as where elements are not finite.',
  DISPOSED: 'The tensor was disposed, by dispose() or at the end of a tidy().',
  BACKWARD_TWICE: 'The graph was freed by an earlier backward(); keep it with { retainGraph: true }.',
  NO_GRADIENT: 'The tensor does not depend on anything that requires a gradient.',
  OVERWRITTEN: 'A value that a gradient needs was overwritten by an in-place op.',
  IN_PLACE_LEAF: 'A leaf that collects its gradient, or a view of one, was to be changed in place.',
  OUT_OF_MEMORY: 'The device has no room left, even after dropping its pool.',
  TIDY_ASYNC: 'tidy() was given an asynchronous function.',
  NO_GRAD_ASYNC: 'noGrad() was given an asynchronous function.',
  DEVICE_LOST: 'Part of a device stopped working while it computed; what it was writing is not complete.',
  DEVICE_ERROR: "A call of a device's driver failed; the message has the call and the driver's own error.",
  DEVICE_UNAVAILABLE: 'The device was asked for explicitly and is not there.',
  NATIVE_UNAVAILABLE: 'Native code was needed, and a compiler, a library or the package that calls into libraries is not usable.',
  NATIVE_COMPILE: 'A compiler did not turn generated source into something that can be loaded.',
  FILE_FORMAT: 'A file is not what its reader expects.',
  UNKNOWN_OP: 'No op of that name is registered.',
  NOT_SUPPORTED: 'The combination is legal, but not implemented for this device or dtype.',
} as const satisfies Record<string, string>;

export type ErrorCode = keyof typeof errorCodes;

/** What an error may say beyond its sentence. Each field becomes a line of the message. */
export interface ErrorDetails {
  /** The op that was called, `softmax`. */
  readonly op?: string;
  /** The argument or option at fault. */
  readonly argument?: string;
  /** The full shapes of the tensors involved, by argument. */
  readonly shapes?: Readonly<Record<string, Shape>>;
  /** The rule that failed, in the words of the spec. */
  readonly rule?: string;
  /** What to do about it. */
  readonly remedy?: string;
  readonly cause?: unknown;
}

/**
 * What the library throws. `message` is one sentence followed by a line for each known detail; the details are also fields.
 *
 *     The shapes [2, 3] and [2, 4] do not broadcast.
 *       op:       add
 *       argument: y
 *       shapes:   x [2, 3], y [2, 4]
 *       rule:     broadcast(x.shape, y.shape)
 *       to mend:  Make the last dimensions equal, or one of them 1.
 *
 * @example
 * ```ts
 * try {
 *   add(ones([2, 3]), ones([2, 4]));
 * } catch (error) {
 *   if (error instanceof OpwrightError) console.log(`${error.code}: ${error.message}`);
 * }
 * ```
 */
export class OpwrightError extends Error {
  override readonly name = 'OpwrightError';
  readonly code: ErrorCode;
  readonly op: string | undefined;
  readonly argument: string | undefined;
  readonly shapes: Readonly<Record<string, Shape>> | undefined;
  readonly rule: string | undefined;
  readonly remedy: string | undefined;
  /** The sentence alone, for callers that add details and throw again. */
  readonly summary: string;

  constructor(code: ErrorCode, summary: string, details: ErrorDetails = {}) {
    super(formatMessage(summary, details), details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.summary = summary;
    this.op = details.op;
    this.argument = details.argument;
    this.shapes = details.shapes;
    this.rule = details.rule;
    this.remedy = details.remedy;
  }

  /** The same error with details that the thrower did not know, such as the op; what it knew stays. */
  with(details: ErrorDetails): OpwrightError {
    const known: ErrorDetails = {
      op: this.op ?? details.op,
      argument: this.argument ?? details.argument,
      shapes: this.shapes ?? details.shapes,
      rule: this.rule ?? details.rule,
      remedy: this.remedy ?? details.remedy,
      cause: this.cause ?? details.cause,
    };
    return new OpwrightError(this.code, this.summary, known);
  }
}

function formatMessage(summary: string, details: ErrorDetails): string {
  const lines: readonly [string, string | undefined][] = [
    ['op', details.op],
    ['argument', details.argument],
    ['shapes', details.shapes && formatShapes(details.shapes)],
    ['rule', details.rule],
    ['to mend', details.remedy],
  ];
  let message = summary;
  for (const [label, text] of lines) {
    if (text !== undefined && text !== '') message += `\n  ${`${label}:`.padEnd(10)}${text}`;
  }
  return message;
}

/** `[2, 3]`. */
export function formatShape(shape: Shape): string {
  return `[${shape.join(', ')}]`;
}

function formatShapes(shapes: Readonly<Record<string, Shape>>): string {
  return Object.entries(shapes)
    .map(([name, shape]) => `${name} ${formatShape(shape)}`)
    .join(', ');
}

/** A value as an error message shows it: short, with its type visible. */
export function formatValue(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.length > 40 ? `${value.slice(0, 37)}...` : value);
  if (typeof value === 'bigint') return `${value}n`;
  if (typeof value === 'function') return value.name === '' ? 'a function' : `the function ${value.name}`;
  if (Array.isArray(value)) {
    const shown = value.slice(0, 6).map(formatValue).join(', ');
    return value.length > 6 ? `[${shown}, ...]` : `[${shown}]`;
  }
  if (typeof value === 'object' && value !== null) return `an object of class ${value.constructor?.name ?? 'Object'}`;
  return String(value);
}
