/**
 * Wrong calls: those that the spec lists, and those that are wrong for every op (an unknown option, a missing argument, a disposed tensor,
 * a dtype that it does not take). Each must raise its code with the op's name, and leave nothing behind.
 */
import { dtypes, memory, OpwrightError, Tensor } from '../../entry/index.js';
import { partsOf } from '../../runtime/dtype.js';
import type { OpCase, SampleAttrs } from './cases.js';
import {
  type Argument,
  type ArgumentsByName,
  argumentList,
  functionOf,
  makeArguments,
  sampleElements,
  tensorsIn,
  tensorsOf,
  withArguments,
} from './invoke.js';
import type { Report } from './report.js';
import { makeTensor } from './tensors.js';

export function checkErrors(test: OpCase, place: number, report: Report): void {
  const { inputs: data, attrs, code, refusal } = test.errors[place]!;
  const elements = sampleElements(test.op, 1000 + place, data);
  withArguments(makeArguments(elements), (inputs) => {
    expectError(test, argumentList(test, inputs, attrs), { code, message: refusal?.message ?? '' });
  });
  report.count();
}

export interface Expected {
  readonly code: string;
  /** What the message says, among other things. */
  readonly message?: string;
}

/** Calls twice: the second call finds what the first one may have cached, and must not take more of the device's memory. */
export function expectError(test: OpCase, args: readonly unknown[], { code, message = '' }: Expected): void {
  const before = memory();
  const error = errorOf(test, args);
  const after = memory();
  errorOf(test, args);
  const again = memory();
  if (!(error instanceof OpwrightError)) {
    const what = error instanceof Error ? (error.stack ?? error.message) : 'nothing';
    throw new Error(`expected OpwrightError ${code}, got ${what}`);
  }
  if (error.code !== code || !error.message.includes(message))
    throw new Error(`expected ${code}: ${message}, got ${error.code}: ${error.message}`);
  if (error.op !== test.op) throw new Error(`the error names the op ${error.op}: ${error.message}`);
  if (after.storages !== before.storages || after.bytes !== before.bytes)
    throw new Error(`${error.code} left ${after.storages - before.storages} storages of ${after.bytes - before.bytes} bytes`);
  const grown = Object.entries(again.devices).find(([name, use]) => use.allocated > after.devices[name]!.allocated);
  if (grown !== undefined)
    throw new Error(
      `a second ${error.code} took ${grown[1].allocated - after.devices[grown[0]]!.allocated} bytes of ${grown[0]}`,
    );
}

function errorOf(test: OpCase, args: readonly unknown[]): unknown {
  try {
    for (const result of tensorsOf(test, functionOf(test.op)(...args))) result.dispose();
    return undefined;
  } catch (error) {
    return error;
  }
}

/** What is wrong whatever the op: tried on its first sample. */
export function checkMisuse(test: OpCase, _: number, report: Report): void {
  const sample = test.samples[0];
  if (sample === undefined) {
    report.skip('no sample');
    return;
  }
  const elements = sampleElements(test.op, 0, sample.inputs);
  const attempt = (run: (inputs: ArgumentsByName) => void) => {
    withArguments(makeArguments(elements), run);
    report.count();
  };
  if (hasOptions(test)) {
    attempt((inputs) => {
      const args = argumentList(test, inputs, sample.attrs);
      const required = requiredCount(test);
      const options = { ...(args.length > required && typeof args[required] === 'object' ? args[required] : {}), colour: 1 };
      expectError(test, [...args.slice(0, required), options], { code: 'UNKNOWN_OPTION' });
    });
  }
  for (let missing = 0; missing < requiredCount(test); missing++) {
    attempt((inputs) => {
      expectError(test, argumentList(test, inputs, sample.attrs).with(missing, undefined), { code: 'MISSING_ARGUMENT' });
    });
  }
  attemptDisposed(test, attempt, sample.attrs);
  attemptWrongDtype(test, attempt, sample.attrs);
}

const hasOptions = (test: OpCase): boolean =>
  test.inputs.some(({ optional }) => optional) || test.attrs.some(({ required }) => !required);

const requiredCount = (test: OpCase): number =>
  test.inputs.filter(({ optional }) => !optional).length + test.attrs.filter(({ required }) => required).length;

type Attempt = (run: (inputs: ArgumentsByName) => void) => void;

function attemptDisposed(test: OpCase, attempt: Attempt, attrs: SampleAttrs): void {
  for (const { name } of test.inputs) {
    attempt((inputs) => {
      const given = tensorsOfInput(inputs, name);
      if (given.length === 0) return;
      given.at(-1)!.dispose();
      expectError(test, argumentList(test, inputs, attrs), { code: 'DISPOSED' });
    });
  }
}

/**
 * The first dtype outside of what each input takes. Inputs that share a variable all change, or they would be cast to a common dtype; and
 * numbers become whole, for with a fraction they would make it a floating one.
 */
function attemptWrongDtype(test: OpCase, attempt: Attempt, attrs: SampleAttrs): void {
  for (const [variable, members] of Object.entries(test.dtypes)) {
    const wrong = dtypes.find((dtype) => !members.includes(dtype));
    const concerned = test.inputs.filter(({ dtype }) => dtype === variable).map(({ name }) => name);
    if (wrong === undefined) continue;
    attempt((inputs) => {
      if (concerned.every((name) => tensorsOfInput(inputs, name).length === 0)) return;
      const made: Tensor[] = [];
      const change = (value: Tensor | number): Tensor | number => {
        if (typeof value === 'number') return Math.trunc(value);
        const tensor = makeTensor({
          shape: value.shape,
          dtype: wrong,
          values: new Array<number>(value.size * partsOf(wrong)).fill(1),
        });
        made.push(tensor);
        return tensor;
      };
      const changed = Object.fromEntries(
        Object.entries(inputs).map(([name, value]) => [name, concerned.includes(name) ? changeArgument(value, change) : value]),
      );
      try {
        expectError(test, argumentList(test, changed, attrs), { code: 'DTYPE_MISMATCH' });
      } finally {
        for (const tensor of made) tensor.dispose();
      }
    });
  }
}

function changeArgument(value: Argument, change: (one: Tensor | number) => Tensor | number): Argument {
  return typeof value === 'number' || value instanceof Tensor ? change(value) : value.map(change);
}

function tensorsOfInput(inputs: ArgumentsByName, name: string): Tensor[] {
  const value = inputs[name];
  return value === undefined ? [] : tensorsIn({ [name]: value });
}
