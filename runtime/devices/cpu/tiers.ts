/**
 * Which tier of the cpu runs a piece of work: one table, by kind of work, dtype and size alone, so that results repeat bit for bit.
 * The figures follow `npm run bench -- --tiers`: native code is faster from
 * 2^12 to 2^14 elements on, launch included, but below 2^14 it saves a microsecond, and a kernel costs a compiler's run.
 */
import { formatValue, OpwrightError } from '../../errors.js';
import type { CpuTierName, Work, WorkKind } from '../device.js';

/** Elements, or multiplications, from which on native code runs. */
const nativeFrom: Readonly<Record<WorkKind, number>> = {
  map: 1 << 14,
  row: 1 << 14,
  column: 1 << 14,
  function: 1 << 14,
  product: 1 << 14,
  convolution: 1 << 17,
};

export function chooseTier({ kind, size }: Work): CpuTierName {
  return size >= nativeFrom[kind] ? 'native' : 'wasm';
}

export type NativeUse = 'never' | 'where found' | 'require';

/** OPWRIGHT_NATIVE: 0 turns native code off, `require` makes its absence an error. */
export function readNativeUse(setting: string | undefined): NativeUse {
  if (setting === undefined || setting === '' || setting === '1') return 'where found';
  if (setting === '0') return 'never';
  if (setting === 'require') return 'require';
  throw badSetting('OPWRIGHT_NATIVE', setting, '0, 1 or require');
}

/** OPWRIGHT_TIER: one tier for all work, as tests want it. */
export function readTier(setting: string | undefined): CpuTierName | undefined {
  if (setting === undefined || setting === '') return undefined;
  if (setting === 'wasm' || setting === 'native') return setting;
  throw badSetting('OPWRIGHT_TIER', setting, 'wasm or native');
}

function badSetting(argument: string, setting: string, rule: string): OpwrightError {
  return new OpwrightError('INVALID_ARGUMENT', `${argument} is ${formatValue(setting)}.`, { argument, rule });
}
