// The module `drawings`: `core`, that can also write PNG.

export * from './core.js';
export { default } from './core.js';
