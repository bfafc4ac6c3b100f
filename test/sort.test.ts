/**
 * Sorting against JavaScript: short rows, which are merged, and long ones, which are sorted by digits, in every dtype and layout and in
 * each tier; what is found by sorting, and that equal elements keep their order.
 */
import test from 'ava';
import { compileKernelFunctionsFolder } from './support/kernel-functions.js';
