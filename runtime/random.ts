/**
 * Random numbers that depend on a seed and a counter only, so that every device and thread count gives the same words: Philox 4x32-10
 * (Salmon, Moraes, Dror, Shaw: Parallel random numbers: as easy as 1, 2, 3; SC 2011). Here are the reference in JavaScript and the
 * generator's state; kernels compute the same function themselves. Word i of a draw is word i mod 4 of block offset + floor(i / 4).
 */
import { debugging, report } from './debug.js';
import { formatValue, OpwrightError } from './errors.js';

export type PhiloxBlock = readonly [number, number, number, number];

const multiplier0 = 0xd2511f53;
const multiplier1 = 0xcd9e8d57;
const weyl0 = 0x9e3779b9;
const weyl1 = 0xbb67ae85;
const rounds = 10;

/** The four 32-bit words for a 128-bit counter and a 64-bit key, both as words from the least significant on. */
export function philox(counter: PhiloxBlock, key: readonly [number, number]): PhiloxBlock {
  let [c0, c1, c2, c3] = counter;
  let [k0, k1] = key;
  for (let round = 0; round < rounds; round++) {
    const high0 = multiplyHigh(multiplier0, c0);
    const high1 = multiplyHigh(multiplier1, c2);
    const low0 = Math.imul(multiplier0, c0) >>> 0;
    const low1 = Math.imul(multiplier1, c2) >>> 0;
    [c0, c1, c2, c3] = [(high1 ^ c1 ^ k0) >>> 0, low1, (high0 ^ c3 ^ k1) >>> 0, low0];
    k0 = (k0 + weyl0) >>> 0;
    k1 = (k1 + weyl1) >>> 0;
  }
  return [c0, c1, c2, c3];
}

/** The high half of the unsigned 32 x 32 product, from 16-bit halves: every partial sum stays below 2^53. */
function multiplyHigh(a: number, b: number): number {
  const aHigh = a >>> 16;
  const bHigh = b >>> 16;
  const aLow = a & 0xffff;
  const bLow = b & 0xffff;
  const middle = aHigh * bLow + Math.floor((aLow * bLow) / 0x10000);
  const carry = aLow * bHigh + (middle % 0x10000);
  return aHigh * bHigh + Math.floor(middle / 0x10000) + Math.floor(carry / 0x10000);
}

/** A reservation of counters, as the words that kernels take (each unsigned, 32 bits). */
export interface RandomDraw {
  readonly seedLow: number;
  readonly seedHigh: number;
  readonly offsetLow: number;
  readonly offsetHigh: number;
}

/** All there is to a generator: restore it and the same numbers follow. */
export interface GeneratorState {
  /** 64 bits. */
  readonly seed: bigint;
  /** The number of blocks of four words handed out so far. */
  readonly offset: bigint;
}

const wordMask = 0xffffffffn;
const wide = 1n << 64n;

/** A stream of random numbers. */
export class Generator {
  private seedLow = 0;
  private seedHigh = 0;
  private offsetLow = 0;
  private offsetHigh = 0;

  constructor(seed: number | bigint = 0) {
    this.seed(seed);
  }

  /** Starts over from a seed: an integer, of which the low 64 bits count. */
  seed(seed: number | bigint): void {
    this.setState({ seed: toSeed(seed), offset: 0n });
  }

  getState(): GeneratorState {
    return { seed: join(this.seedLow, this.seedHigh), offset: join(this.offsetLow, this.offsetHigh) };
  }

  setState(state: GeneratorState): void {
    this.seedLow = Number(state.seed & wordMask);
    this.seedHigh = Number((state.seed >> 32n) & wordMask);
    this.offsetLow = Number(state.offset & wordMask);
    this.offsetHigh = Number((state.offset >> 32n) & wordMask);
  }

  /** Reserves `count` words and moves on past them. */
  next(count: number): RandomDraw {
    const { seedLow, seedHigh, offsetLow, offsetHigh } = this;
    const advanced = offsetLow + Math.ceil(count / 4);
    this.offsetLow = advanced >>> 0;
    this.offsetHigh = (offsetHigh + Math.floor(advanced / 2 ** 32)) >>> 0;
    if (debugging.random)
      report('random', `${count} words at block ${join(offsetLow, offsetHigh)} of seed ${join(seedLow, seedHigh)}`);
    return { seedLow, seedHigh, offsetLow, offsetHigh };
  }
}

/** The words of a draw, computed on the host: the reference for kernels. */
export function drawWords(draw: RandomDraw, count: number): Uint32Array {
  const words = new Uint32Array(count);
  for (let block = 0; block * 4 < count; block++) {
    const low = draw.offsetLow + block;
    const high = draw.offsetHigh + Math.floor(low / 2 ** 32);
    const values = philox([low >>> 0, high >>> 0, 0, 0], [draw.seedLow, draw.seedHigh]);
    for (let lane = 0; lane < 4 && block * 4 + lane < count; lane++) words[block * 4 + lane] = values[lane]!;
  }
  return words;
}

function join(low: number, high: number): bigint {
  return (BigInt(high) << 32n) | BigInt(low);
}

function toSeed(seed: number | bigint): bigint {
  if (typeof seed !== 'bigint' && !Number.isSafeInteger(seed)) {
    throw new OpwrightError('NOT_AN_INTEGER', `A seed must be an integer, not ${formatValue(seed)}.`, {
      op: 'seed',
      argument: 'seed',
    });
  }
  const value = BigInt(seed) % wide;
  return value < 0n ? value + wide : value;
}

/** The stream that random ops draw from unless told otherwise. Its first seed is 0 in every process: programs repeat by default. */
export const defaultGenerator = new Generator();

/** Seeds the default stream. */
export function seed(value: number | bigint): void {
  defaultGenerator.seed(value);
}

export function getRandomState(): GeneratorState {
  return defaultGenerator.getState();
}

export function setRandomState(state: GeneratorState): void {
  defaultGenerator.setState(state);
}
