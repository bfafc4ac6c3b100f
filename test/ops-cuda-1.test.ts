/** The op matrix (matrix/matrix.ts) on the CUDA device, with a simulated driver, part 1 of 4. */
import { runMatrix } from './matrix/matrix.js';

runMatrix(0, 'cuda');
