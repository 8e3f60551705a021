// The block editor's script.

import { facts } from './facts.js';
import { registerImageTools } from './image.js';
import { registerPanel } from './panel.js';

registerPanel();
if (facts.ready) registerImageTools();
