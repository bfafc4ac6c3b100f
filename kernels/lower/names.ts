/** What the buffers and parameters of a fused kernel are called: its lowering declares them, the binding gives them values. */

export const inputName = (input: number): string => `in${input}`;
export const outputName = (output: number): string => `out${output}`;
/** The strip through which an item of a transposing kernel moves elements. */
export const stripName = 'strip';
/** What is set aside of a sum. */
export const carryName = (node: number): string => `carry${node}`;
export const scratchName = (node: number): string => `row${node}`;
export const scalarName = (scalar: number): string => `c${scalar}`;
export const keptSize = (dimension: number): string => `k${dimension}`;
export const reducedSize = (dimension: number): string => `m${dimension}`;
export const keptStride = (operand: number, dimension: number): string => `s${operand}k${dimension}`;
export const reducedStride = (operand: number, dimension: number): string => `s${operand}r${dimension}`;
export const innerStride = (operand: number): string => `s${operand}`;

/** The dimensions that are cut into tiles: the innermost one of columns, and the rows that the tile form walks with it. */
export type TiledDimension = 'row' | 'column';

export function tileParams(dimension: TiledDimension): { readonly size: string; readonly tile: string; readonly tiles: string } {
  return dimension === 'column'
    ? { size: 'n', tile: 'tile', tiles: 'tiles' }
    : { size: 'rows', tile: 'rowTile', tiles: 'rowTiles' };
}
