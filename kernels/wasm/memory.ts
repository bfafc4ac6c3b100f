/**
 * Loads and stores of every storage type, scalar and 128-bit, and the address arithmetic they share. An address is
 *
 *     buffer + index * bytes + constant part of the index * bytes
 *
 * where the last term goes into the instruction's offset if it fits in GUARD bytes. The engine adds that offset without wrapping, so
 * `buffer + index * bytes` itself must not wrap below 0: that is why no buffer may lie in the first GUARD bytes of the memory.
 */
import { add, sub } from '../build.js';
import { bytesOf, type Expr, type RealStorage, registerOf, type Type } from '../ir.js';
import { fromBfloat16, fromFloat16, toBfloat16, toFloat16 } from '../math/half.js';
import { type Frame, shapeOf } from './frame.js';
import type { Opcode } from './opcodes.js';

/** Buffers lie at or above this address. */
export const GUARD = 4096;

type Load = Extract<Expr, { op: 'load' }>;

const scalarLoads = {
  bool: 'i32.load8_u',
  uint8: 'i32.load8_u',
  int8: 'i32.load8_s',
  int16: 'i32.load16_s',
  int32: 'i32.load',
  int64: 'i64.load',
  float16: 'i32.load16_u',
  bfloat16: 'i32.load16_u',
  float32: 'f32.load',
  float64: 'f64.load',
} as const satisfies Record<RealStorage, Opcode>;

const scalarStores = {
  bool: 'i32.store8',
  uint8: 'i32.store8',
  int8: 'i32.store8',
  int16: 'i32.store16',
  int32: 'i32.store',
  int64: 'i64.store',
  float16: 'i32.store16',
  bfloat16: 'i32.store16',
  float32: 'f32.store',
  float64: 'f64.store',
} as const satisfies Record<RealStorage, Opcode>;

export function printLoad(frame: Frame, { type, buffer, index }: Load): void {
  const storage = storageOf(frame, buffer, type);
  const offset = printAddress(frame, buffer, index, bytesOf[storage]);
  if (type.lanes === 1) loadScalar(frame, storage, offset);
  else loadVector(frame, storage, type, offset);
}

export function printStore(frame: Frame, buffer: string, index: Expr, value: Expr): void {
  const storage = storageOf(frame, buffer, value.type);
  frame.scope(() => {
    const stored = storedForm(frame, storage, value);
    const offset = printAddress(frame, buffer, index, bytesOf[storage]);
    frame.print(stored);
    if (value.type.lanes === 1) frame.code.memory(scalarStores[storage], offset);
    else storeVector(frame, storage, value.type, offset);
  });
}

/** Whether one instruction loads an element into all lanes. */
export function isSplatLoad(frame: Frame, { type, buffer }: Load): boolean {
  return bytesOf[storageOf(frame, buffer, type)] >= 4;
}

export function printSplatLoad(frame: Frame, { type, buffer, index }: Load): void {
  const bytes = bytesOf[storageOf(frame, buffer, type)];
  const offset = printAddress(frame, buffer, index, bytes);
  frame.code.memory(bytes === 4 ? 'v128.load32_splat' : 'v128.load64_splat', offset);
}

function storageOf(frame: Frame, buffer: string, type: Type): RealStorage {
  const declaration = frame.kernel.buffers.find(({ name }) => name === buffer);
  if (declaration === undefined) throw new Error(`kernel ${frame.kernel.name} has no buffer ${buffer}`);
  const { storage } = declaration;
  if (!isStorage(storage)) throw new TypeError(`kernel ${frame.kernel.name}: buffer ${buffer} is still of dtype ${storage}`);
  if (registerOf(storage) !== type.scalar) {
    throw new TypeError(`kernel ${frame.kernel.name}: ${buffer} holds ${storage}, which is no ${type.scalar} in a register`);
  }
  return storage;
}

function isStorage(name: string): name is RealStorage {
  return Object.hasOwn(scalarLoads, name);
}

// Addresses

/** Pushes the address less the constant that is handed back, which the instruction adds. */
function printAddress(frame: Frame, buffer: string, index: Expr, bytes: number): number {
  const { code } = frame;
  const { variable, constant } = splitIndex(index);
  const constantBytes = Math.imul(constant, bytes);
  const inOffset = constantBytes >= 0 && constantBytes <= GUARD;
  code.get(frame.parameter(buffer));
  if (!inOffset) {
    code.i32(constantBytes);
    code.op('i32.add');
  }
  if (variable !== undefined) {
    frame.print(variable);
    if (bytes > 1) {
      code.i32(Math.log2(bytes));
      code.op('i32.shl');
    }
    code.op('i32.add');
  }
  return inOffset ? constantBytes : 0;
}

interface SplitIndex {
  /** Absent if the index is a constant. */
  readonly variable?: Expr;
  readonly constant: number;
}

/** An index as a sum of what varies and a constant. */
function splitIndex(index: Expr): SplitIndex {
  if (index.op === 'const') return { constant: Number(index.value) };
  if (index.op !== 'binary' || (index.name !== 'add' && index.name !== 'sub')) return { variable: index, constant: 0 };
  const left = splitIndex(index.left);
  const right = splitIndex(index.right);
  const subtract = index.name === 'sub';
  const constant = (subtract ? left.constant - right.constant : left.constant + right.constant) | 0;
  if (right.variable === undefined) return left.variable === undefined ? { constant } : { variable: left.variable, constant };
  if (left.variable !== undefined) {
    return { variable: subtract ? sub(left.variable, right.variable) : add(left.variable, right.variable), constant };
  }
  return subtract ? { variable: index, constant: 0 } : { variable: right.variable, constant };
}

// Loads

function loadScalar(frame: Frame, storage: RealStorage, offset: number): void {
  frame.code.memory(scalarLoads[storage], offset);
  if (storage === 'float16' || storage === 'bfloat16') widenFloats(frame, storage, { scalar: 'i32', lanes: 1 });
  if (storage === 'bool') isNotZero(frame);
}

function isNotZero(frame: Frame): void {
  frame.code.i32(0);
  frame.code.op('i32.ne');
}

function loadVector(frame: Frame, storage: RealStorage, type: Type, offset: number): void {
  const { code } = frame;
  switch (storage) {
    case 'bool':
      loadMask(frame, shapeOf(type) === 'i64x2', offset);
      break;
    case 'uint8':
    case 'int8': {
      const sign = storage === 'int8' ? 's' : 'u';
      code.memory('v128.load32_zero', offset);
      code.op(`i16x8.extend_low_i8x16_${sign}`);
      code.op(`i32x4.extend_low_i16x8_${sign}`);
      break;
    }
    case 'int16':
      code.memory('v128.load16x4_s', offset);
      break;
    case 'float16':
    case 'bfloat16':
      code.memory('v128.load16x4_u', offset);
      widenFloats(frame, storage, { scalar: 'i32', lanes: 4, laneBits: 32 });
      break;
    default:
      code.memory('v128.load', offset);
  }
}

/** Bytes to lanes of all ones or none. */
function loadMask(frame: Frame, wide: boolean, offset: number): void {
  const { code } = frame;
  if (wide) {
    code.memory('i32.load16_u', offset);
    code.op('i32x4.splat');
  } else {
    code.memory('v128.load32_zero', offset);
  }
  code.op('i16x8.extend_low_i8x16_u');
  code.op('i32x4.extend_low_i16x8_u');
  if (wide) code.op('i64x2.extend_low_i32x4_u');
  code.v128(new Array<number>(16).fill(0));
  code.op(wide ? 'i64x2.ne' : 'i32x4.ne');
}

/** Turns the 16-bit patterns on the stack into f32. */
function widenFloats(frame: Frame, storage: 'float16' | 'bfloat16', type: Type): void {
  frame.scope(() => {
    const pattern = frame.adopt(type);
    frame.print(storage === 'float16' ? fromFloat16(pattern, (value) => frame.share(value)) : fromBfloat16(pattern));
  });
}

// Stores

/** The value as its register holds it just before the store: float16 and bfloat16 become their patterns. */
function storedForm(frame: Frame, storage: RealStorage, value: Expr): Expr {
  if (storage !== 'float16' && storage !== 'bfloat16') return value;
  const share = (shared: Expr) => frame.share(shared);
  return storage === 'float16' ? toFloat16(share(value), share) : toBfloat16(share(value), share);
}

function storeVector(frame: Frame, storage: RealStorage, type: Type, offset: number): void {
  const bytes = bytesOf[storage];
  if (storage === 'bool') storeMask(frame, shapeOf(type) === 'i64x2', offset);
  else if (bytes === 1) {
    gatherBytes(frame, [0, 4, 8, 12]);
    storeLane(frame, 'v128.store32_lane', offset);
  } else if (bytes === 2) {
    gatherBytes(frame, [0, 1, 4, 5, 8, 9, 12, 13]);
    storeLane(frame, 'v128.store64_lane', offset);
  } else frame.code.memory('v128.store', offset);
}

/** Lanes of all ones or none to bytes of 1 or 0. */
function storeMask(frame: Frame, wide: boolean, offset: number): void {
  const laneBytes = wide ? 8 : 4;
  frame.code.v128(Array.from({ length: 16 }, (_, at) => (at % laneBytes === 0 ? 1 : 0)));
  frame.code.op('v128.and');
  gatherBytes(frame, wide ? [0, 8] : [0, 4, 8, 12]);
  storeLane(frame, wide ? 'v128.store16_lane' : 'v128.store32_lane', offset);
}

/** Moves those bytes of the vector on the stack to its front: stores wrap, so the rest of each lane is dropped. */
function gatherBytes(frame: Frame, bytes: readonly number[]): void {
  const { code } = frame;
  frame.temporary('v128', (vector) => {
    code.tee(vector);
    code.get(vector);
    code.shuffle(Array.from({ length: 16 }, (_, at) => bytes[at] ?? 0));
  });
}

function storeLane(frame: Frame, name: 'v128.store16_lane' | 'v128.store32_lane' | 'v128.store64_lane', offset: number): void {
  frame.code.memory(name, offset);
  frame.code.byte(0);
}
