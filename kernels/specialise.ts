/**
 * Puts concrete dtypes in place of a kernel's dtype variables.
 *
 * A buffer of storage `T` gets the dtype bound to `T`, a value of type `T` the register type that dtype computes in, and the
 * constants `lowest` and `highest` the ends of the *storage's* range (-128 for int8, though its register is an i32). What becomes
 * trivial on the way, such as a conversion to the type a value already has, is dropped, as is what only machines of another kind run, and
 * complex values become two real ones (complex/split.ts). Shapes and layouts are not its concern.
 */
import { binary, bits, bool, constant, convert, param, scalarType, vectorType } from './build.js';
import { splitComplex } from './complex/split.js';
import {
  type Expr,
  type Kernel,
  partScalar,
  type RealScalar,
  registerOf,
  type Scalar,
  type Stmt,
  type Storage,
  type Type,
  type TypeVariable,
} from './ir.js';
import { mapOperands, mapStatement } from './traverse.js';

const storages: Readonly<Record<Storage, readonly [lowest: number | string, highest: number | string]>> = {
  bool: [0, 1],
  uint8: [0, 255],
  int8: [-128, 127],
  int16: [-32768, 32767],
  int32: [-2147483648, 2147483647],
  int64: ['-9223372036854775808', '9223372036854775807'],
  float16: ['-inf', 'inf'],
  bfloat16: ['-inf', 'inf'],
  float32: ['-inf', 'inf'],
  float64: ['-inf', 'inf'],
  complex64: ['-inf', 'inf'],
  complex128: ['-inf', 'inf'],
};

/** The storage that holds all of a register type, whose range a `lowest` of that type means. */
const widest: Readonly<Record<Scalar, Storage>> = {
  bool: 'bool',
  i32: 'int32',
  i64: 'int64',
  f32: 'float32',
  f64: 'float64',
  c64: 'complex64',
  c128: 'complex128',
};

const isStorage = (name: string): name is Storage => Object.hasOwn(storages, name);
const isScalar = (name: string): name is Scalar => Object.hasOwn(widest, name);

export type Bindings = Readonly<Record<string, Storage>>;

/** `isGrouped`: for a machine whose threads come in groups, which will share its loops (distribute.ts). */
export function specialise(kernel: Kernel, bindings: Bindings, isGrouped = false): Kernel {
  const bound = (name: string): Storage => {
    const storage = bindings[name];
    if (storage === undefined) throw new TypeError(`kernel ${kernel.name}: no dtype is bound to ${name}`);
    return storage;
  };
  const register = (name: Scalar | TypeVariable): Scalar => (isScalar(name) ? name : registerOf(bound(name)));
  const expression = (expr: Expr): Expr => specialiseExpr(expr, { bound, register, isGrouped });
  const block = (statements: readonly Stmt[]): readonly Stmt[] =>
    statements.flatMap((statement) => reached(mapStatement(statement, expression, block)));
  return splitComplex({
    ...kernel,
    buffers: kernel.buffers.map((buffer) => ({
      ...buffer,
      storage: isStorage(buffer.storage) ? buffer.storage : bound(buffer.storage),
    })),
    params: kernel.params.map((declaration) => ({ ...declaration, type: paramRegister(register(declaration.type)) })),
    body: block(kernel.body),
  });
}

/** A bool travels in the parameter block as an i32, a number beside complex elements as a real one. */
export function paramRegister(scalar: Scalar): Exclude<RealScalar, 'bool'> {
  const real = partScalar(scalar);
  return real === 'bool' ? 'i32' : real;
}

/** Only the branch that is taken, where that is known. */
function reached(statement: Stmt): readonly Stmt[] {
  if (statement.do !== 'if' || statement.condition.op !== 'const') return [statement];
  return statement.condition.value === 0 ? (statement.else ?? []) : statement.then;
}

interface Meaning {
  readonly bound: (name: string) => Storage;
  readonly register: (name: string) => Scalar;
  readonly isGrouped: boolean;
}

function specialiseExpr(expr: Expr, meaning: Meaning): Expr {
  const { bound, register, isGrouped } = meaning;
  const recur = (operand: Expr): Expr => specialiseExpr(operand, meaning);
  const type = concrete(expr.type, register);
  switch (expr.op) {
    case 'const':
      if (expr.value === 'grouped') return bool(isGrouped);
      return constant(type, limit(expr.value, isScalar(expr.type.scalar) ? widest[expr.type.scalar] : bound(expr.type.scalar)));
    case 'binary':
      return type.scalar === 'bool'
        ? binary(expr.name, recur(expr.left), recur(expr.right))
        : mapOperands({ ...expr, type }, recur);
    case 'convert':
      return convert(type, recur(expr.value));
    case 'bits':
      return bits(type, recur(expr.value));
    case 'param':
      return convert(type, param(expr.name, scalarType(paramRegister(register(expr.type.scalar)))));
    default:
      return mapOperands({ ...expr, type }, recur);
  }
}

function concrete(type: Type, register: (name: string) => Scalar): Type {
  if (isScalar(type.scalar)) return type;
  const scalar = register(type.scalar);
  return type.lanes === 1 ? scalarType(scalar) : vectorType(scalar, type.lanes, scalar === 'bool' ? type.laneBits : undefined);
}

function limit(value: number | string, storage: Storage): number | string {
  if (value === 'lowest') return storages[storage][0];
  if (value === 'highest') return storages[storage][1];
  return value;
}
