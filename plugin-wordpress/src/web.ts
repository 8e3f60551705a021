// The package, as one module that the page loads when the panel is first shown.

export * from '@smart-summary/web';
export * from '@smart-summary/web/element';
