import { Editor } from '@tiptap/core';
import Image from '@tiptap/extension-image';
import Placeholder from '@tiptap/extension-placeholder';
import StarterKit from '@tiptap/starter-kit';

/** A picture knows the name of its file, which its `blob:` address does not. */
const Picture = Image.extend({
  addAttributes() {
    return {
      ...this.parent?.(),
      filename: {
        default: null,
        parseHTML: (element: HTMLElement) => element.getAttribute('data-filename'),
        renderHTML: ({ filename }: Record<string, unknown>) => (filename === null ? {} : { 'data-filename': filename }),
      },
    };
  },
});

export function createEditor(element: HTMLElement, placeholder: () => string, label: string): Editor {
  return new Editor({
    element,
    extensions: [
      StarterKit.configure({ link: { openOnClick: false } }),
      Picture,
      Placeholder.configure({ placeholder: () => placeholder() }),
    ],
    editorProps: {
      attributes: { 'aria-label': label, 'aria-multiline': 'true', role: 'textbox' },
      handlePaste: (view, event) => insert(event.clipboardData?.files, view.state.selection.to),
      handleDrop: (view, event) => {
        const position = view.posAtCoords({ left: event.clientX, top: event.clientY })?.pos;
        return insert(event.dataTransfer?.files, position ?? view.state.selection.to);
      },
    },
  });

  function insert(files: FileList | undefined, position: number): boolean {
    return insertPictures(editorOf(element), [...(files ?? [])], position);
  }
}

/** Puts pictures into the post as data, so that they survive a copy of the post; true when there was one. */
export function insertPictures(editor: Editor, files: File[], position: number): boolean {
  const pictures = files.filter((file) => file.type.startsWith('image/') || /\.(heic|svg)$/i.test(file.name));
  void Promise.all(pictures.map(asNode)).then((nodes) => editor.chain().focus().insertContentAt(position, nodes).run());
  return pictures.length > 0;
}

function asNode(file: File): Promise<{ type: string; attrs: Record<string, string> }> {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () =>
      resolve({ type: 'image', attrs: { src: String(reader.result), filename: file.name, alt: '' } });
    reader.onerror = () => reject(reader.error ?? new Error('the file could not be read'));
    reader.readAsDataURL(file);
  });
}

function editorOf(element: HTMLElement): Editor {
  // TipTap notes itself on the element that it edits.
  const editor = (element.firstElementChild as { editor?: Editor } | null)?.editor;
  if (editor === undefined) throw new Error('the editor is not there yet');
  return editor;
}
