/**
 * Makes a worker. The literal form below is the one that Vite, webpack and Rollup find and bundle; a page without a
 * bundler loads `worker.js` from beside this file.
 */
export function spawn(url?: string | URL): Worker {
  return url === undefined
    ? new Worker(new URL('./worker.js', import.meta.url), { type: 'module' })
    : new Worker(url, { type: 'module' });
}
