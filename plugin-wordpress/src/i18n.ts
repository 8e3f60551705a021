// One place, so that the bundler gives the functions one name: WordPress' tools look for it.

export const { __, _n, sprintf } = wp.i18n;
