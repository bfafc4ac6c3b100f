/** What the language of kernel functions refuses: whatever would run differently as JavaScript. */
import test from 'ava';
import { compileKernelSource } from '../codegen/functions/compile.js';

const refused: readonly [string, string, RegExp][] = [
  ['division of integers', 'x[0] = toT(n / 2);', /kernel\.ts:2:\d+: .*use idiv/],
  ['% of integers', 'x[0] = toT(n % 2);', /use irem/],
  ['>>>', 'x[0] = toT(n >>> 1);', /use shiftRight/],
  ['bitwise operators of values', 'x[0] = x[0]! & 1;', /expected i32, got T/],
  ['arithmetic of 64-bit integers', 'x[0] = toT(n + joined(n, n));', /expected i32, got i64/],
  ['a load behind &&', 'if (n > 0 && x[0]! > 0) x[0] = 1;', /use if/],
  ['a load in a branch of ?:', 'x[0] = n > 0 ? x[n]! : 0;', /use if/],
  ['a loop whose bound changes', 'let m: i32 = n; for (let i = 0; i < m; i++) m--; x[0] = toT(m);', /computed once/],
  ['a loop that counts down', 'for (let i = n; i > 0; i--) x[0] = 1;', /counts up/],
  ['mixed types', 'x[0] = n;', /expected T, got i32/],
  ['an unknown function', 'x[0] = Math.sin(x[0]!);', /neither of the language/],
  ['an outer variable set in lanes', 'let last: f = 0; for (const i of lanes(0, n)) last = x[i]!; x[0] = last;', /only by \+=/],
  ['an array', 'const a = [1]; x[0] = 1;', /not part of the language/],
  ['a fraction without a type', 'const half = 0.5; x[0] = half;', /has no type here/],
  ['a helper that calls itself', 'x[0] = loop(n);', /may not call itself/],
];
for (const [what, statements, message] of refused)
  test(`a kernel function with ${what} is refused, with its place`, (t) => {
    const text = `export function k(begin: i32, end: i32, x: Buffer<'T'>, n: i32): void {\n${statements}\n}\nfunction loop(n: i32): f { return loop(n); }`;
    t.throws(() => compileKernelSource(text), { message });
  });
