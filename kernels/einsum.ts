/**
 * Einstein's summation: what an equation says of each axis, and in which order tensors are best multiplied. An axis is named by a number,
 * the code of its letter; those that an ellipsis stands for have negative ones, counted from the last. Nothing here knows of tensors.
 */

type Labels = readonly number[];

/** What may be wrong with an equation and the shapes it is applied to. */
type EinsumProblem = 'none' | 'syntax' | 'count' | 'rank' | 'size';

interface Equation {
  readonly operands: readonly string[];
  /** Undefined where the equation leaves it to the rule: the ellipsis, then the letters that occur once, in alphabetical order. */
  readonly result: string | undefined;
}

const SUBSCRIPT = /^[A-Za-z]*(\.\.\.)?[A-Za-z]*$/;

function parse(equation: string): Equation | undefined {
  const [left = '', result, ...more] = equation.replaceAll(' ', '').split('->');
  const operands = left.split(',');
  if (more.length > 0 || ![...operands, result ?? ''].every((subscript) => SUBSCRIPT.test(subscript))) return undefined;
  if (result === undefined) return { operands, result };
  const letters = lettersOf(result);
  const known = new Set(operands.flatMap(lettersOf));
  const isAllowed = new Set(letters).size === letters.length && letters.every((letter) => known.has(letter));
  return isAllowed && (hasEllipsis(result) || !left.includes('...')) ? { operands, result } : undefined;
}

const hasEllipsis = (subscript: string): boolean => subscript.includes('...');
const lettersOf = (subscript: string): string[] => [...subscript.replace('...', '')];

/** A subscript's axes; `hidden` is how many the ellipsis stands for. */
function labelsOf(subscript: string, hidden: number): number[] {
  const codes = (letters: string) => [...letters].map((letter) => letter.charCodeAt(0));
  const [before = '', after] = subscript.split('...');
  if (after === undefined) return codes(before);
  return [...codes(before), ...Array.from({ length: hidden }, (_, index) => index - hidden), ...codes(after)];
}

const hiddenIn = (subscript: string, rank: number): number => (hasEllipsis(subscript) ? rank - lettersOf(subscript).length : 0);

/** Whether an equation is one, and fits tensors of these shapes. */
export function einsumProblem(equation: string, shapes: readonly Labels[]): EinsumProblem {
  const parsed = parse(equation);
  if (parsed === undefined) return 'syntax';
  if (parsed.operands.length !== shapes.length) return 'count';
  const fits = parsed.operands.every((subscript, index) => {
    const hidden = shapes[index]!.length - lettersOf(subscript).length;
    return hasEllipsis(subscript) ? hidden >= 0 : hidden === 0;
  });
  if (!fits) return 'rank';
  const sizes = new Map<number, number>();
  for (const [index, labels] of einsumLabels(equation, shapes).slice(0, -1).entries()) {
    for (const [axis, label] of labels.entries()) {
      const [size, known] = [shapes[index]![axis]!, sizes.get(label) ?? 1];
      if (size !== known && size !== 1 && known !== 1) return 'size';
      // Within one tensor a repeated label means a diagonal.
      if (labels.indexOf(label) < axis && shapes[index]![labels.indexOf(label)] !== size) return 'size';
      if (known === 1) sizes.set(label, size);
    }
  }
  return 'none';
}

/** The axes of each tensor and, last, of the result. */
export function einsumLabels(equation: string, shapes: readonly Labels[]): number[][] {
  const parsed = parse(equation);
  if (parsed === undefined) return [];
  const hidden = parsed.operands.map((subscript, index) => hiddenIn(subscript, shapes[index]?.length ?? 0));
  const operands = parsed.operands.map((subscript, index) => labelsOf(subscript, hidden[index]!));
  const widest = Math.max(...hidden);
  if (parsed.result !== undefined) return [...operands, labelsOf(parsed.result, widest)];
  const letters = parsed.operands.flatMap(lettersOf);
  const once = letters.filter((letter) => letters.indexOf(letter) === letters.lastIndexOf(letter)).sort();
  return [...operands, labelsOf(`...${once.join('')}`, widest)];
}

/** The size that each axis of `wanted` has in tensors with these axes and shapes; one of size 1 broadcasts. */
export function einsumSizes(labels: readonly Labels[], shapes: readonly Labels[], wanted: Labels): number[] {
  return wanted.map((label) => {
    const sizes = labels.flatMap((own, index) => own.flatMap((one, axis) => (one === label ? [shapes[index]![axis]!] : [])));
    return sizes.find((size) => size !== 1) ?? 1;
  });
}

/**
 * The axes of one tensor that a product is made of: each label once, without those that broadcast and those that no other tensor and not the
 * result has.
 */
export function einsumOwn(labels: readonly Labels[], shapes: readonly Labels[], result: Labels, index: number): number[] {
  const size = sizesOf(labels, shapes);
  const distinct = labels.map((own, place) => [
    ...new Set(own.filter((label, axis) => shapes[place]![axis] !== 1 || size.get(label) === 1)),
  ]);
  const others = distinct.filter((_, place) => place !== index).flat();
  return distinct[index]!.filter((label) => others.includes(label) || result.includes(label));
}

/** The axes that are left when two tensors have been multiplied: those that others, or the result, still ask for. */
export function einsumKept(labels: readonly Labels[], pair: Labels, result: Labels): number[] {
  const others = labels.filter((_, index) => !pair.includes(index)).flat();
  const own = new Set(pair.flatMap((index) => labels[index]!));
  return [...own].filter((label) => others.includes(label) || result.includes(label));
}

/** Up to so many tensors all orders are tried. */
const MOST_TRIED = 5;

/**
 * The places of the two tensors to multiply next: the beginning of the order that needs the fewest multiplications where the tensors are few,
 * else the pair that makes least of most.
 */
export function einsumPair(labels: readonly Labels[], shapes: readonly Labels[], result: Labels): number[] {
  const size = sizesOf(labels, shapes);
  if (labels.length <= MOST_TRIED) return [...best(labels, result, size).pair];
  const gain = (pair: Labels): number => {
    const made = product(einsumKept(labels, pair, result), size);
    return made - pair.reduce((sum, index) => sum + product(labels[index]!, size), 0);
  };
  return [...pairsOf(labels.length).reduce((left, right) => (gain(right) < gain(left) ? right : left))];
}

function best(labels: readonly Labels[], result: Labels, size: ReadonlyMap<number, number>): { pair: Labels; cost: number } {
  const tried = pairsOf(labels.length).map((pair) => {
    const own = new Set(pair.flatMap((index) => labels[index]!));
    const left = [...labels.filter((_, index) => !pair.includes(index)), einsumKept(labels, pair, result)];
    const rest = left.length > 1 ? best(left, result, size).cost : 0;
    return { pair, cost: product([...own], size) + rest };
  });
  return tried.reduce((left, right) => (right.cost < left.cost ? right : left));
}

function pairsOf(length: number): Labels[] {
  return Array.from({ length }, (_, second) => Array.from({ length: second }, (_, first) => [first, second])).flat();
}

function sizesOf(labels: readonly Labels[], shapes: readonly Labels[]): ReadonlyMap<number, number> {
  const all = [...new Set(labels.flat())];
  const sizes = einsumSizes(labels, shapes, all);
  return new Map(all.map((label, index) => [label, sizes[index]!]));
}

const product = (labels: Labels, size: ReadonlyMap<number, number>): number =>
  labels.reduce((count, label) => count * size.get(label)!, 1);
