/** All cases, in the order of the table. */
import type { Case } from '../case.js';
import { convolutions } from './convolutions.js';
import { elementwise } from './elementwise.js';
import { matrices } from './matrices.js';
import { movement } from './movement.js';
import { reductions } from './reductions.js';
import { small } from './small.js';
import { training } from './training.js';

export const cases: readonly Case[] = [
  ...elementwise,
  ...reductions,
  ...matrices,
  ...convolutions,
  ...movement,
  ...small,
  ...training,
];
