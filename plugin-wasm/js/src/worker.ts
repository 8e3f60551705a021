// The worker: one for pictures, one for the upload and one for drafts; each loads only the modules that its calls need.

import type { FromWorker, ToWorker } from './messages.js';
import { hasTrapped, words } from './modules.js';
import { serve } from './serve.js';

interface Scope {
  postMessage(message: FromWorker): void;
  addEventListener(type: 'message', listener: (event: MessageEvent<ToWorker>) => void): void;
  addEventListener(type: 'unhandledrejection', listener: (event: PromiseRejectionEvent) => void): void;
}
const scope = self as unknown as Scope;

const hear = serve((message) => scope.postMessage(message));
scope.addEventListener('message', ({ data }) => hear(data));

// A future of a module that traps rejects nothing that anybody awaits.
scope.addEventListener('unhandledrejection', ({ reason }) => {
  if (hasTrapped(reason)) scope.postMessage({ call: 0, say: 'trapped', message: words(reason) });
});
