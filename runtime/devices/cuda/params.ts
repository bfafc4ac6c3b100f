/**
 * The arguments of one launch as the driver takes them: the kernel's block by value, the first item and the one after the last, and a
 * table of where these lie. All are in one buffer that stays where it is, so a launch hands over one address.
 */
import type { ParamBlock } from '../device.js';
import { addressOfBytes } from '../ffi.js';
import type { CudaKernel } from './tier.js';

const tableEntries = 3;

export class CudaParams implements ParamBlock {
  /** Of the table. */
  readonly address: number;
  private readonly view: DataView<ArrayBuffer>;
  private readonly range: number;

  constructor({ paramBytes }: CudaKernel) {
    this.range = paramBytes;
    const table = Math.ceil((paramBytes + 8) / 8) * 8;
    const bytes = new Uint8Array(table + tableEntries * 8);
    this.view = new DataView(bytes.buffer);
    const start = addressOfBytes(bytes);
    this.address = start + table;
    [start, start + this.range, start + this.range + 4].forEach((address, entry) => {
      this.setPointer(table + entry * 8, address);
    });
  }

  /** Items from 0 to `end`, which the launch will run. */
  setWork(end: number): void {
    this.setI32(this.range + 4, end);
  }

  setPointer(offset: number, address: number): void {
    this.view.setUint32(offset, address % 2 ** 32, true);
    this.view.setUint32(offset + 4, Math.floor(address / 2 ** 32), true);
  }

  setI32(offset: number, value: number): void {
    this.view.setInt32(offset, value, true);
  }

  i32(offset: number): number {
    return this.view.getInt32(offset, true);
  }

  setI64(offset: number, value: bigint): void {
    this.view.setBigInt64(offset, value, true);
  }

  setF32(offset: number, value: number): void {
    this.view.setFloat32(offset, value, true);
  }

  setF64(offset: number, value: number): void {
    this.view.setFloat64(offset, value, true);
  }

  free(): void {}
}
