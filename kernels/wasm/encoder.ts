/**
 * Writes the WebAssembly binary format: LEB128 numbers, instructions, and the one shape of module the project needs, namely imported
 * shared memory, imported math functions and a single exported function. It knows nothing of kernels, and validates nothing.
 */
import { type Opcode, opcodes } from './opcodes.js';

export type ValueType = 'i32' | 'i64' | 'f32' | 'f64' | 'v128';

const valueTypeCodes: Readonly<Record<ValueType, number>> = { i32: 0x7f, i64: 0x7e, f32: 0x7d, f64: 0x7c, v128: 0x7b };

/** The type byte of a block that leaves nothing on the stack. */
const NO_RESULT = 0x40;

const scratch = new DataView(new ArrayBuffer(8));

/** A growing byte sequence, and the instructions of a function body in it. */
export class Code {
  readonly bytes: number[] = [];

  byte(value: number): void {
    this.bytes.push(value & 0xff);
  }

  append(bytes: Iterable<number>): void {
    for (const byte of bytes) this.bytes.push(byte);
  }

  /** Unsigned LEB128. */
  unsigned(value: number): void {
    let rest = value >>> 0;
    while (rest > 0x7f) {
      this.byte((rest & 0x7f) | 0x80);
      rest >>>= 7;
    }
    this.byte(rest);
  }

  /** Signed LEB128 of a 32-bit integer. */
  signed(value: number): void {
    let rest = value | 0;
    while (rest < -0x40 || rest > 0x3f) {
      this.byte((rest & 0x7f) | 0x80);
      rest >>= 7;
    }
    this.byte(rest & 0x7f);
  }

  /** Signed LEB128 of a 64-bit integer. */
  signed64(value: bigint): void {
    let rest = BigInt.asIntN(64, value);
    while (rest < -0x40n || rest > 0x3fn) {
      this.byte(Number(rest & 0x7fn) | 0x80);
      rest >>= 7n;
    }
    this.byte(Number(rest & 0x7fn));
  }

  text(value: string): void {
    const bytes = new TextEncoder().encode(value);
    this.unsigned(bytes.length);
    this.append(bytes);
  }

  op(name: Opcode): void {
    const code = opcodes[name];
    if (code <= 0xff) this.byte(code);
    else {
      this.byte(code >> 16);
      this.unsigned(code & 0xffff);
    }
  }

  /** An instruction with one unsigned immediate: a local, a lane, a label, a function. */
  opWith(name: Opcode, immediate: number): void {
    this.op(name);
    this.unsigned(immediate);
  }

  get(local: number): void {
    this.opWith('local.get', local);
  }

  set(local: number): void {
    this.opWith('local.set', local);
  }

  tee(local: number): void {
    this.opWith('local.tee', local);
  }

  i32(value: number): void {
    this.op('i32.const');
    this.signed(value);
  }

  i64(value: bigint): void {
    this.op('i64.const');
    this.signed64(value);
  }

  f32(value: number): void {
    this.op('f32.const');
    this.append(bytesOfScalar('f32', value));
  }

  f64(value: number): void {
    this.op('f64.const');
    this.append(bytesOfScalar('f64', value));
  }

  v128(bytes: readonly number[]): void {
    this.op('v128.const');
    this.append(bytes);
  }

  shuffle(lanes: readonly number[]): void {
    this.op('i8x16.shuffle');
    this.append(lanes);
  }

  /** A load or store. The alignment is a hint, which engines ignore: it is always given as 1 byte. */
  memory(name: Opcode, offset: number): void {
    this.op(name);
    this.unsigned(0);
    this.unsigned(offset);
  }

  block(name: 'block' | 'loop' | 'if', result?: ValueType): void {
    this.op(name);
    this.byte(result === undefined ? NO_RESULT : valueTypeCodes[result]);
  }
}

/** The little-endian bytes of a number as one of the scalar types. */
export function bytesOfScalar(type: 'i32' | 'i64' | 'f32' | 'f64', value: number | bigint): number[] {
  if (type === 'f32') scratch.setFloat32(0, Number(value), true);
  else if (type === 'f64') scratch.setFloat64(0, Number(value), true);
  else if (type === 'i32') scratch.setInt32(0, Number(value), true);
  else scratch.setBigInt64(0, BigInt(value), true);
  return Array.from(new Uint8Array(scratch.buffer, 0, type === 'f32' || type === 'i32' ? 4 : 8));
}

/** A function that the module imports from `math`: all its arguments and its result are f64. */
export interface HostImport {
  readonly name: string;
  readonly arity: 1 | 2;
}

export interface ModuleParts {
  readonly imports: readonly HostImport[];
  /** The name under which the function is exported; it takes three i32. */
  readonly exportName: string;
  readonly locals: readonly ValueType[];
  readonly code: Code;
}

const section = { type: 1, import: 2, function: 3, export: 7, code: 10 } as const;
const importKind = { function: 0, memory: 2 } as const;
/** Shared, with a maximum. */
const SHARED_LIMITS = 3;
const MAXIMUM_PAGES = 65536;

/** The module's bytes. Imported functions have the indices 0, 1, ... in the order of `imports`. */
export function encodeModule({ imports, exportName, locals, code }: ModuleParts): Uint8Array<ArrayBuffer> {
  const module = new Code();
  module.append([0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00]);
  writeSection(module, section.type, [
    functionType(['i32', 'i32', 'i32'], []),
    functionType(['f64'], ['f64']),
    functionType(['f64', 'f64'], ['f64']),
  ]);
  writeSection(module, section.import, [memoryImport(), ...imports.map(functionImport)]);
  writeSection(module, section.function, [[0]]);
  writeSection(module, section.export, [functionExport(exportName, imports.length)]);
  writeSection(module, section.code, [functionBody(locals, code)]);
  return Uint8Array.from(module.bytes);
}

function write(fill: (code: Code) => void): number[] {
  const code = new Code();
  fill(code);
  return code.bytes;
}

function writeSection(module: Code, id: number, items: readonly (readonly number[])[]): void {
  const content = write((code) => {
    code.unsigned(items.length);
    for (const item of items) code.append(item);
  });
  module.byte(id);
  module.unsigned(content.length);
  module.append(content);
}

function functionType(parameters: readonly ValueType[], results: readonly ValueType[]): number[] {
  return write((code) => {
    code.byte(0x60);
    for (const types of [parameters, results]) {
      code.unsigned(types.length);
      code.append(types.map((type) => valueTypeCodes[type]));
    }
  });
}

function memoryImport(): number[] {
  return write((code) => {
    code.text('env');
    code.text('memory');
    code.byte(importKind.memory);
    code.byte(SHARED_LIMITS);
    code.unsigned(1);
    code.unsigned(MAXIMUM_PAGES);
  });
}

function functionImport({ name, arity }: HostImport): number[] {
  return write((code) => {
    code.text('math');
    code.text(name);
    code.byte(importKind.function);
    code.unsigned(arity);
  });
}

function functionExport(name: string, index: number): number[] {
  return write((code) => {
    code.text(name);
    code.byte(importKind.function);
    code.unsigned(index);
  });
}

function functionBody(locals: readonly ValueType[], body: Code): number[] {
  const groups: { type: ValueType; count: number }[] = [];
  for (const type of locals) {
    const last = groups.at(-1);
    if (last?.type === type) last.count++;
    else groups.push({ type, count: 1 });
  }
  const content = write((code) => {
    code.unsigned(groups.length);
    for (const { type, count } of groups) {
      code.unsigned(count);
      code.byte(valueTypeCodes[type]);
    }
    code.append(body.bytes);
    code.op('end');
  });
  return write((code) => {
    code.unsigned(content.length);
    code.append(content);
  });
}
