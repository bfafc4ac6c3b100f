/**
 * Value conversions of what is on the stack: between any two register types as scalars, and between those of one lane width as
 * vectors. WebAssembly has no conversion of i64 lanes from or to floats: these go lane by lane.
 */
import { bytesOfScalar } from './encoder.js';
import { type Frame, lanewise, type NumberType, type Shape } from './frame.js';
import type { Opcode } from './opcodes.js';

const scalarConversions: Readonly<Record<NumberType, Readonly<Record<NumberType, readonly Opcode[]>>>> = {
  i32: { i32: [], i64: ['i64.extend_i32_s'], f32: ['f32.convert_i32_s'], f64: ['f64.convert_i32_s'] },
  i64: { i32: ['i32.wrap_i64'], i64: [], f32: ['f32.convert_i64_s'], f64: ['f64.convert_i64_s'] },
  f32: { i32: ['i32.trunc_sat_f32_s'], i64: ['i64.trunc_sat_f32_s'], f32: [], f64: ['f64.promote_f32'] },
  f64: { i32: ['i32.trunc_sat_f64_s'], i64: ['i64.trunc_sat_f64_s'], f32: ['f32.demote_f64'], f64: [] },
};

/** A scalar bool is an i32 of 0 or 1, so that it converts as one. */
export function convertScalar(frame: Frame, from: NumberType, to: NumberType): void {
  for (const name of scalarConversions[from][to]) frame.code.op(name);
}

export function scalarToBool(frame: Frame, from: NumberType): void {
  const { code } = frame;
  if (from === 'i32') code.i32(0);
  else if (from === 'i64') code.i64(0n);
  else if (from === 'f32') code.f32(0);
  else code.f64(0);
  code.op(`${from}.ne`);
}

export function vectorToMask(frame: Frame, from: Shape): void {
  frame.code.v128(new Array<number>(16).fill(0));
  frame.code.op(`${from}.ne`);
}

const one = {
  i32x4: bytesOfScalar('i32', 1),
  i64x2: bytesOfScalar('i64', 1n),
  f32x4: bytesOfScalar('f32', 1),
  f64x2: bytesOfScalar('f64', 1),
} as const;

/** All ones to 1, none to 0. */
export function maskToVector(frame: Frame, to: Shape): void {
  const { code } = frame;
  const lane = one[to];
  code.v128(Array.from({ length: 16 }, (_, at) => lane[at % lane.length]!));
  code.op('v128.and');
}

export function convertVector(frame: Frame, from: Shape, to: Shape): void {
  if (from === 'i32x4' && to === 'f32x4') frame.code.op('f32x4.convert_i32x4_s');
  else if (from === 'f32x4' && to === 'i32x4') frame.code.op('i32x4.trunc_sat_f32x4_s');
  else if (from === 'i64x2' && to === 'f64x2') lanewise(frame, from, to, 1, () => convertScalar(frame, 'i64', 'f64'));
  else if (from === 'f64x2' && to === 'i64x2') lanewise(frame, from, to, 1, () => convertScalar(frame, 'f64', 'i64'));
  else if (from !== to) throw new TypeError(`no conversion of ${from} to ${to}: the number of lanes differs`);
}
