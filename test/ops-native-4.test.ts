/** The op matrix (matrix/matrix.ts) in native code, part 4 of 4. */
import { runMatrix } from './matrix/matrix.js';

runMatrix(3, 'native');
