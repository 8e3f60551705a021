// The page's own words; those of the panel are the package's.

const en = {
  post: 'Post',
  language: 'Language',
  theme: 'Theme',
  themeAuto: 'As the system',
  themeLight: 'Light',
  themeDark: 'Dark',
  editor: 'Blog editor',
  title: 'Title',
  titlePlaceholder: 'Title',
  bodyPlaceholder: 'Write here, or drop a picture.',
  toolbar: 'Formatting',
  settings: 'Post settings',
  settingsHint: 'Apply writes here. Undo takes it back.',
  description: 'Meta description',
  keywords: 'Keywords, separated by commas',
  address: 'Address',
  summary: 'Summary',
  head: 'Open Graph and JSON-LD',
  headEmpty: 'Nothing yet.',
  panel: 'Smart summary',
  embedTitle: 'How this page embeds it',
  embedHint: 'These lines connect the panel with the editor; the token comes from the site’s own server.',
  credits: 'The pictures of the sample posts are under free licences:',
  sources: 'sources and licences',
  newPost: 'New post',
  histograms: 'Prometheus histograms (English)',
  keycloak: 'Keycloak single sign-on (Chinese)',
  monastery: 'Three days without a car (English)',
  bold: 'Bold',
  italic: 'Italic',
  heading2: 'Heading',
  heading3: 'Subheading',
  bulletList: 'List',
  orderedList: 'Numbered list',
  blockquote: 'Quote',
  link: 'Link',
  linkAsk: 'Address of the link; empty removes it',
  image: 'Picture',
  undo: 'Undo',
  redo: 'Redo',
};

const zh: typeof en = {
  post: '文章',
  language: '语言',
  theme: '外观',
  themeAuto: '跟随系统',
  themeLight: '浅色',
  themeDark: '深色',
  editor: '博客编辑器',
  title: '标题',
  titlePlaceholder: '标题',
  bodyPlaceholder: '在这里写作，或拖入图片。',
  toolbar: '格式',
  settings: '文章设置',
  settingsHint: '“应用”会写到这里，“撤销”可以恢复。',
  description: '元描述',
  keywords: '关键词，用逗号分隔',
  address: '网址',
  summary: '摘要',
  head: 'Open Graph 和 JSON-LD',
  headEmpty: '暂无内容。',
  panel: '智能摘要',
  embedTitle: '本页如何嵌入',
  embedHint: '这几行代码把面板和编辑器连接起来；令牌由网站自己的服务器提供。',
  credits: '示例文章的图片均为自由许可：',
  sources: '来源与许可',
  newPost: '新文章',
  histograms: 'Prometheus 直方图（英文）',
  keycloak: '用 Keycloak 搭建单点登录（中文）',
  monastery: '不开车的三天（英文）',
  bold: '粗体',
  italic: '斜体',
  heading2: '标题',
  heading3: '小标题',
  bulletList: '列表',
  orderedList: '编号列表',
  blockquote: '引用',
  link: '链接',
  linkAsk: '链接地址；留空则移除',
  image: '图片',
  undo: '撤销',
  redo: '重做',
};

export type Word = keyof typeof en;
export type Language = 'en' | 'zh-Hans';

export function words(language: Language): typeof en {
  return language === 'zh-Hans' ? zh : en;
}

/** The address's `lang`, then what was chosen before, then the browser's own. */
export function startLanguage(): Language {
  const wanted = new URLSearchParams(location.search).get('lang') ?? remembered('language') ?? navigator.language;
  return wanted.toLowerCase().startsWith('zh') ? 'zh-Hans' : 'en';
}

/** What a visitor chose before; private windows may refuse to tell. */
export function remembered(name: string): string | undefined {
  try {
    return localStorage.getItem(`smart-summary-demo.${name}`) ?? undefined;
  } catch {
    return undefined;
  }
}

export function remember(name: string, value: string): void {
  try {
    localStorage.setItem(`smart-summary-demo.${name}`, value);
  } catch {
    // Without storage the choice lasts as long as the page.
  }
}
