// The package's own test in a browser, with the driver of this folder.

process.env.PLAYWRIGHT ??= import.meta.resolve('playwright-core');
await import('../../plugin-wasm/js/tests/smoke/browser.test.mjs');
