/** How ops run. There is one mode so far: each op runs when it is called. */

/** Whether ops run when they are called, as in Paddle's dynamic mode. */
export function inDynamicMode(): boolean {
  return true;
}
