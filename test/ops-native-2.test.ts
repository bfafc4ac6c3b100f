/** The op matrix (matrix/matrix.ts) in native code, part 2 of 4. */
import { runMatrix } from './matrix/matrix.js';

runMatrix(1, 'native');
