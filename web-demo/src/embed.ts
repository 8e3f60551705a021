// <embed>
import { createSmartSummary } from '@smart-summary/web';
import { tiptapAdapter, type MetaFields, type TiptapEditor } from '@smart-summary/web/adapters/tiptap';
import type { SmartSummaryElement } from '@smart-summary/web/element';
import '@smart-summary/web/element';

export function embed(panel: SmartSummaryElement, editor: TiptapEditor, title: HTMLTextAreaElement, meta: MetaFields) {
  const token = () => fetch('/demo/token', { method: 'POST' }).then((answer) => answer.json());
  panel.client = createSmartSummary({ endpoint: location.origin, token });
  panel.adapter = tiptapAdapter(editor, { title, meta });
  panel.site = { name: 'The Slow Blog', url: 'https://blog.example/' };
}
// </embed>
