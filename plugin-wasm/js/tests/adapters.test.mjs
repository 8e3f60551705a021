import assert from 'node:assert/strict';
import { test } from 'node:test';

import { picturesIn, withAlts } from '../dist/adapters/markup.js';
import { PictureIds, fileName } from '../dist/adapters/pictures.js';

const names = [
  ['https://blog.example/a/My%20cat.jpg?w=300#top', 'My cat.jpg'],
  ['hero.png', 'hero.png'],
  ['/uploads/100%.png', '100%.png'],
  ['https://blog.example/', undefined],
  ['data:image/png;base64,AAAA', undefined],
  ['blob:https://blog.example/1-2-3', undefined],
];
for (const [src, expected] of names) {
  test(`the file name of ${src} is ${expected}`, () => assert.equal(fileName(src), expected));
}

test('pictures are found in reading order, once each', () => {
  const source =
    '![A \\[cat\\]](cat.jpg "My cat")\n<img src="dog.png" alt="A &quot;dog&quot;">\n![](<two words.png>) ![](cat.jpg)';
  assert.deepEqual(picturesIn(source), [
    { src: 'cat.jpg', alt: 'A [cat]' },
    { src: 'dog.png', alt: 'A "dog"' },
    { src: 'two words.png', alt: '' },
  ]);
});

const writes = [
  ['![](cat.jpg)', '![A [grey] cat](cat.jpg)', '![A \\[grey\\] cat](cat.jpg)'],
  ['![old](cat.jpg "Title")', '![new](cat.jpg)', '![new](cat.jpg "Title")'],
];
test('an alt text is written into Markdown and nothing else changes', () => {
  assert.equal(withAlts(writes[0][0], new Map([['cat.jpg', 'A [grey] cat']])), writes[0][2]);
  assert.equal(withAlts(writes[1][0], new Map([['cat.jpg', 'new']])), writes[1][2]);
  assert.equal(withAlts('![keep](other.jpg) text', new Map([['cat.jpg', 'new']])), '![keep](other.jpg) text');
});

test('an alt text is written into HTML, escaped, whether or not there was one', () => {
  const alts = new Map([['dog.png', 'A "dog" & <cat>']]);
  const alt = 'alt="A &quot;dog&quot; &amp; &lt;cat>"';
  assert.equal(withAlts('<img src="dog.png">', alts), `<img src="dog.png" ${alt}>`);
  assert.equal(withAlts('<img alt=old src=dog.png />', alts), `<img ${alt} src=dog.png />`);
  assert.equal(withAlts('<img src="dog.png"/>', alts), `<img src="dog.png" ${alt} />`);
});

test('what was written is read back', () => {
  for (const alt of ['$& and $1', 'back\\slash', ']](', '"quoted"']) {
    for (const source of ['![](a.png)', '<img src="a.png">']) {
      assert.equal(picturesIn(withAlts(source, new Map([['a.png', alt]])))[0].alt, alt);
    }
  }
});

test('an address keeps its id', () => {
  const ids = new PictureIds();
  assert.equal(ids.of('a.png'), 'img-1');
  assert.equal(ids.of('b.png'), 'img-2');
  assert.equal(ids.of('a.png'), 'img-1');
  assert.equal(ids.src('img-2'), 'b.png');
});
