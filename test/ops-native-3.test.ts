/** The op matrix (matrix/matrix.ts) in native code, part 3 of 4. */
import { runMatrix } from './matrix/matrix.js';

runMatrix(2, 'native');
