/** The tables of builders: which ops a program of each mode may call, those that matter most several times. */
import { elementwiseBuilders } from './builders-elementwise.js';
import { indexingBuilders } from './builders-indexing.js';
import { movementBuilders } from './builders-movement.js';
import { productBuilders } from './builders-products.js';
import type { Builder, Mode } from './building.js';

const all: readonly Builder[] = [...elementwiseBuilders, ...movementBuilders, ...productBuilders, ...indexingBuilders];

export const builders: Readonly<Record<Mode, readonly Builder[]>> = {
  eager: all,
  fused: all.filter(({ traced }) => traced),
  gradient: all.filter(({ smooth, traced }) => smooth && traced),
};
