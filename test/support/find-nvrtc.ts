/** Says where the tests find NVRTC; ends with 1 where they do not. */
import { findNvrtc } from './nvrtc.js';

const { nvrtc } = findNvrtc();
if (nvrtc === undefined) process.exitCode = 1;
else console.log(nvrtc.library.path);
