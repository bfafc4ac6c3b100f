/**
 * Householder reflections H = I - tau v v' in blocks of 16: their product H1 H2 ... is I - V'Z, where the rows of V are the vectors and those of Z
 * follow from them. What is left over by 16 is applied one by one. Matrices are given by columns, each of which lies along memory, as does v.
 * There are no kernels here.
 */
import { type Buffer, type i32, idiv, lanes } from './language.js';
import { addProduct } from './products.js';
import { copyElements, dot, multiplyBy, reflect } from './vectors.js';

/**
 * V and Z, 16 rows of m elements each, of the vectors `first` to `first` + 15, zeros before their heads. Vector j is in row j of `columns`, from
 * element j + `shift` on. Row j of Z is tau_j (v_j - sum over q < j of (v_q . v_j) z_q).
 */
export function blockOf(
  v: Buffer<'T'>,
  z: Buffer<'T'>,
  vzBase: i32,
  columns: Buffer<'T'>,
  base: i32,
  factors: Buffer<'T'>,
  factorBase: i32,
  first: i32,
  m: i32,
  shift: i32,
): void {
  for (const at of lanes(vzBase, vzBase + 16 * m)) {
    v[at] = 0;
    z[at] = 0;
  }
  for (let turn = 0; turn < 16; turn++) {
    const own = vzBase + turn * m;
    const head = first + turn + shift;
    copyElements(v, own + head, columns, base + (first + turn) * m + head, m - head);
    copyElements(z, own + head, v, own + head, m - head);
    for (let other = 0; other < turn; other++) {
      const shared = dot(v, vzBase + other * m + head, v, own + head, m - head);
      for (const at of lanes(first, m)) z[own + at] = z[own + at]! - shared * z[vzBase + other * m + at]!;
    }
    multiplyBy(z, own + first, m - first, factors[factorBase + first + turn]!);
  }
}

/**
 * y - (y x') w for `count` columns y of m elements, from element `first` on, where x and w have 16 rows. With V for x and Z for w that is the
 * product of the reflections, with Z for x and V for w its transpose. `across` takes x's transpose, `products` 16 elements a column.
 */
export function applyBlock(
  y: Buffer<'T'>,
  yFrom: i32,
  count: i32,
  x: Buffer<'T'>,
  w: Buffer<'T'>,
  vzBase: i32,
  across: Buffer<'T'>,
  products: Buffer<'T'>,
  productBase: i32,
  first: i32,
  m: i32,
): void {
  for (let row = 0; row < 16; row++) {
    for (let at = first; at < m; at++) across[vzBase + at * 16 + row] = x[vzBase + row * m + at]!;
  }
  for (const at of lanes(0, count * 16)) products[productBase + at] = 0;
  addProduct(products, productBase, 16, y, yFrom + first, m, 1, across, vzBase + first * 16, 16, count, m - first, 16, 1);
  addProduct(y, yFrom + first, m, products, productBase, 16, 1, w, vzBase + first, m, count, 16, m - first, -1);
}

/** The first `width` columns of H1 H2 ... Hsteps, of m elements each, in place of as many columns of the unit matrix in q. */
export function multiplyReflections(
  q: Buffer<'T'>,
  qBase: i32,
  width: i32,
  v: Buffer<'T'>,
  z: Buffer<'T'>,
  vzBase: i32,
  across: Buffer<'T'>,
  products: Buffer<'T'>,
  productBase: i32,
  columns: Buffer<'T'>,
  base: i32,
  factors: Buffer<'T'>,
  factorBase: i32,
  steps: i32,
  m: i32,
  shift: i32,
): void {
  const whole = idiv(steps, 16);
  for (let back = 1; back < steps - whole * 16 + 1; back++) {
    const step = steps - back;
    const head = step + shift;
    for (let column = head; column < width; column++)
      reflect(q, qBase + column * m + head, columns, base + step * m + head, m - head, factors[factorBase + step]!);
  }
  for (let back = 1; back < whole + 1; back++) {
    const first = (whole - back) * 16;
    blockOf(v, z, vzBase, columns, base, factors, factorBase, first, m, shift);
    applyBlock(q, qBase + first * m, width - first, v, z, vzBase, across, products, productBase, first, m);
  }
}
