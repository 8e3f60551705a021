import { defineConfig } from 'vite';

const server = 'http://127.0.0.1:8080';

export default defineConfig({
  base: './',
  // The package's worker loads its own modules; small files stay files, so that no `data:` address meets the page's policy.
  build: { target: 'es2022', assetsInlineLimit: 0, modulePreload: { polyfill: false } },
  worker: { format: 'es' },
  optimizeDeps: { exclude: ['@smart-summary/web'] },
  server: { proxy: { '/v1': server, '/demo': server } },
});
