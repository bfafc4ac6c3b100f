/**
 * The engine's WebAssembly object, with types for the part of it that the cpu device uses. Node's type declarations leave it out, the
 * DOM's, which have it, would let browser globals be used by mistake, and a global declaration of our own would clash with both.
 */
export interface WasmMemory {
  readonly buffer: ArrayBufferLike;
  grow(pages: number): number;
}

/** Compiled code; it can be posted to other threads. */
export type WasmModule = object;

export interface WasmInstance {
  readonly exports: Readonly<Record<string, unknown>>;
}

export type WasmImports = Readonly<Record<string, Readonly<Record<string, unknown>>>>;

interface WebAssemblyHost {
  readonly Memory: new (descriptor: { initial: number; maximum: number; shared: boolean }) => WasmMemory;
  readonly Module: new (bytes: Uint8Array) => WasmModule;
  readonly Instance: new (module: WasmModule, imports: WasmImports) => WasmInstance;
  validate(bytes: Uint8Array): boolean;
}

export const webAssembly: WebAssemblyHost = Reflect.get(globalThis, 'WebAssembly');
