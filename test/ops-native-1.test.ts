/** The op matrix (matrix/matrix.ts) in native code, part 1 of 4. */
import { runMatrix } from './matrix/matrix.js';

runMatrix(0, 'native');
