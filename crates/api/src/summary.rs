//! `POST /v1/summaries`: the request, and the summary that answers it.

use std::collections::BTreeMap;

wire! {
    /// What to summarise, and how. The article may be absent when images are given, and the other way round.
    #[serde(deny_unknown_fields)]
    #[derive(Default)]
    pub struct SummaryRequest {
        /// The post.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "typescript", ts(optional))]
        pub article: Option<Article>,
        /// The post's pictures, in order; at most eight by default.
        #[serde(default)]
        #[cfg_attr(feature = "typescript", ts(as = "Option<Vec<ImageRef>>", optional))]
        pub images: Vec<ImageRef>,
        /// The fields wanted; all when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "typescript", ts(optional))]
        pub fields: Option<Vec<Field>>,
        /// The site's wishes for tone and words.
        #[serde(default)]
        #[cfg_attr(feature = "typescript", ts(as = "Option<Guidelines>", optional))]
        pub guidelines: Guidelines,
        /// Lengths, where they differ from the language's own.
        #[serde(default)]
        #[cfg_attr(feature = "typescript", ts(as = "Option<FieldLimits>", optional))]
        pub limits: FieldLimits,
        /// How many alternative titles and descriptions to give, 1 to 5.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "typescript", ts(optional))]
        pub candidates: Option<u8>,
        /// The engine to use.
        #[serde(default)]
        #[cfg_attr(feature = "typescript", ts(as = "Option<EnginePreference>", optional))]
        pub engine: EnginePreference,
        /// Interactive requests go before batch ones.
        #[serde(default)]
        #[cfg_attr(feature = "typescript", ts(as = "Option<Priority>", optional))]
        pub priority: Priority,
        /// Makes a sampling engine repeatable.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "typescript", ts(optional, type = "number"))]
        pub seed: Option<u64>,
    }

    /// The post as the editor holds it.
    #[serde(deny_unknown_fields)]
    #[derive(Default)]
    pub struct Article {
        /// The working title, when there is one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "typescript", ts(optional))]
        pub title: Option<String>,
        /// The body; at most 200,000 characters by default.
        pub content: String,
        /// How `content` is written.
        pub format: ContentFormat,
        /// Where the post is or will be published; an `http` or `https` URL, used in Open Graph and JSON-LD, never fetched.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "typescript", ts(optional))]
        pub url: Option<String>,
        /// `auto`, or a BCP 47 tag such as `en`, `zh-Hans`, `de-CH`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "typescript", ts(optional))]
        pub language: Option<String>,
    }

    /// How an article's content is written.
    #[serde(rename_all = "snake_case")]
    #[derive(Copy, Eq, Hash, Default)]
    pub enum ContentFormat {
        /// HTML, a fragment or a page.
        #[default]
        Html,
        /// CommonMark with tables, footnotes and inline HTML.
        Markdown,
        /// Plain text; an empty line ends a paragraph.
        Text,
    }

    /// One picture of the post. In a multipart request its bytes are the part named by `id`.
    #[serde(deny_unknown_fields)]
    #[derive(Default)]
    pub struct ImageRef {
        /// 1 to 64 of `A-Z a-z 0-9 . _ -`; unique in the request; not `request`.
        pub id: String,
        /// The file's name, as in the article's content, so that its place in the text is found.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "typescript", ts(optional))]
        pub filename: Option<String>,
        /// The visible caption.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "typescript", ts(optional))]
        pub caption: Option<String>,
        /// Where the picture leads when it is a link: an address of at most 2048 characters, never fetched. Without it the
        /// link around the picture in the article's content counts. A link to the picture's own file is none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "typescript", ts(optional))]
        pub link: Option<String>,
        /// What the author says of the picture's purpose.
        #[serde(default)]
        #[cfg_attr(feature = "typescript", ts(as = "Option<ImageRole>", optional))]
        pub role: ImageRole,
        /// The picture as a `data:` URI with base64; only in a JSON request. Other URLs are refused.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "typescript", ts(optional))]
        pub data: Option<String>,
    }

    /// A picture's purpose (W3C alt decision tree).
    #[serde(rename_all = "snake_case")]
    #[derive(Copy, Eq, Hash, Default)]
    pub enum ImageRole {
        /// Let the engine decide.
        #[default]
        Auto,
        /// The picture says something: it gets a text.
        Informative,
        /// The picture only adorns: its alt text stays empty.
        Decorative,
    }

    /// A field of the answer.
    #[serde(rename_all = "snake_case")]
    #[derive(Copy, Eq, Hash, PartialOrd, Ord)]
    pub enum Field {
        /// The title for search results.
        Title,
        /// The description for search results.
        MetaDescription,
        /// Keywords or tags.
        Keywords,
        /// The last part of the post's address.
        Slug,
        /// Two or three sentences for readers.
        Summary,
        /// A text for each picture.
        AltTexts,
        /// Open Graph properties.
        OpenGraph,
        /// schema.org `BlogPosting` as JSON-LD.
        JsonLd,
    }

    /// The site's wishes. Words are followed where the article supports them.
    #[serde(deny_unknown_fields)]
    #[derive(Default)]
    pub struct Guidelines {
        /// For instance `factual` or `warm`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "typescript", ts(optional))]
        pub tone: Option<String>,
        /// Who reads the site.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "typescript", ts(optional))]
        pub audience: Option<String>,
        /// Phrases that should occur when the article holds them.
        #[serde(default)]
        #[cfg_attr(feature = "typescript", ts(as = "Option<Vec<String>>", optional))]
        pub must_include: Vec<String>,
        /// Phrases that must not occur.
        #[serde(default)]
        #[cfg_attr(feature = "typescript", ts(as = "Option<Vec<String>>", optional))]
        pub avoid: Vec<String>,
        /// The site's name.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "typescript", ts(optional))]
        pub brand: Option<String>,
    }

    /// Upper bounds; the language's own where absent (see [`crate::limits`]).
    #[serde(deny_unknown_fields)]
    #[derive(Copy, Default)]
    pub struct FieldLimits {
        /// Characters of the title, 10 to 200.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "typescript", ts(optional))]
        pub title_chars: Option<u16>,
        /// Characters of the description, 20 to 500.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "typescript", ts(optional))]
        pub description_chars: Option<u16>,
        /// Number of keywords, 1 to 20.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "typescript", ts(optional))]
        pub keywords: Option<u16>,
        /// Characters of one alt text, 20 to 500.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "typescript", ts(optional))]
        pub alt_chars: Option<u16>,
        /// Where title and description are to be shown: they are fitted to its characters and to its width in pixels.
        /// Without it only a title whose length is not given either is fitted to a width, Google's.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "typescript", ts(optional))]
        pub target: Option<Target>,
    }

    /// A place that shows a title and a description; [`crate::limits::place`] says how much of them.
    #[serde(rename_all = "snake_case")]
    #[derive(Copy, Eq, Hash)]
    pub enum Target {
        /// Google on a desktop.
        Google,
        /// Google on a telephone.
        GoogleMobile,
        /// Bing on a desktop.
        Bing,
        /// Baidu on a desktop.
        Baidu,
        /// An article's card in WeChat.
        Wechat,
        /// A link's card on X.
        X,
    }

    /// The engine a request asks for.
    #[serde(rename_all = "snake_case")]
    #[derive(Copy, Eq, Hash, Default)]
    pub enum EnginePreference {
        /// The server's choice.
        #[default]
        Auto,
        /// The model in the server's process.
        Glm4v,
        /// An OpenAI-compatible cluster.
        Upstream,
        /// The embedded engine.
        Extractive,
    }

    /// The engine that answered.
    #[serde(rename_all = "snake_case")]
    #[derive(Copy, Eq, Hash)]
    pub enum EngineName {
        /// The model in the server's process.
        Glm4v,
        /// An OpenAI-compatible cluster.
        Upstream,
        /// The embedded engine.
        Extractive,
    }

    /// Who waits for the answer.
    #[serde(rename_all = "snake_case")]
    #[derive(Copy, Eq, Hash, Default, PartialOrd, Ord)]
    pub enum Priority {
        /// A person.
        #[default]
        Interactive,
        /// A job.
        Batch,
    }

    /// The answer. A field that was not asked for is absent.
    pub struct Summary {
        /// Names this answer; also in the server's log.
        pub id: String,
        /// BCP 47 tag of the language of every text here.
        pub language: String,
        /// The title for search results.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "typescript", ts(optional))]
        pub title: Option<String>,
        /// The description for search results.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "typescript", ts(optional))]
        pub meta_description: Option<String>,
        /// Keywords, the most telling first.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "typescript", ts(optional))]
        pub keywords: Option<Vec<String>>,
        /// Lower-case Latin words joined by hyphens.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "typescript", ts(optional))]
        pub slug: Option<String>,
        /// Two or three sentences for readers.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "typescript", ts(optional))]
        pub summary: Option<String>,
        /// One entry per picture, in the request's order.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "typescript", ts(optional))]
        pub alt_texts: Option<Vec<AltText>>,
        /// Property name -> content, for instance `og:title`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "typescript", ts(optional))]
        pub open_graph: Option<BTreeMap<String, String>>,
        /// A schema.org object, ready for `<script type="application/ld+json">`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "typescript", ts(optional, type = "Record<string, unknown>"))]
        #[cfg_attr(feature = "openapi", schema(value_type = Option<Object>))]
        pub json_ld: Option<serde_json::Map<String, serde_json::Value>>,
        /// Alternatives, when `candidates` was above 1; the first is the answer itself.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "typescript", ts(optional))]
        pub candidates: Option<Vec<Candidate>>,
        /// What the caller should know about this answer.
        pub warnings: Vec<Warning>,
        /// The engine that answered.
        pub engine: EngineName,
        /// The engine's model and version.
        pub model: String,
        /// The version of the prompt or rules.
        pub prompt_version: String,
        /// Whether the answer was already known.
        pub cached: bool,
        /// Tokens used; zero for the embedded engine.
        pub usage: TokenUsage,
        /// Where the time went, in milliseconds.
        pub timings: Timings,
    }

    /// One picture's text.
    pub struct AltText {
        /// The picture's id.
        pub id: String,
        /// Empty when `decorative`, and when nothing can honestly be said: then it `needs_human`.
        pub text: String,
        /// Whether the picture should carry `alt=""`.
        pub decorative: bool,
        /// Whether a person has to look at the picture before the text is used: nothing told what it shows, or hardly more
        /// than a file's name did. Never with `decorative`.
        #[serde(default)]
        #[cfg_attr(feature = "openapi", schema(required = true))]
        pub needs_human: bool,
    }

    /// An alternative title and description.
    pub struct Candidate {
        /// The title.
        pub title: String,
        /// The description.
        pub meta_description: String,
    }

    /// Something about the answer that a person should look at.
    pub struct Warning {
        /// What kind.
        pub code: WarningCode,
        /// The field it is about.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "typescript", ts(optional))]
        pub field: Option<Field>,
        /// The picture it is about.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "typescript", ts(optional))]
        pub image: Option<String>,
        /// The same in words, and what to do.
        pub detail: String,
    }

    /// The kinds of warning.
    #[serde(rename_all = "snake_case")]
    #[derive(Copy, Eq, Hash)]
    pub enum WarningCode {
        /// The picture is too blurred to be described well.
        ImageTooSoft,
        /// Only the first frame of an animation was read.
        ImageFirstFrameOnly,
        /// The picture's data end early; the part that could be read was used.
        ImageTruncated,
        /// The engine did not look at the pixels; the text comes from the words around the picture.
        ImageNotSeen,
        /// The article's language could not be told with confidence.
        LanguageUncertain,
        /// The engine wrote in another language than the article's.
        OtherLanguage,
        /// The text was longer than its limit and was cut at a sentence, clause or word.
        FieldShortened,
        /// There was too little to write this field from.
        FieldEmpty,
        /// Words of the text are not in the article.
        NotInArticle,
        /// A sentence of the text is not supported by any of the article, or its numbers are others.
        ClaimUnsupported,
        /// A phrase of `must_include` is not in the article and was left out.
        MustIncludeMissing,
        /// A phrase of `avoid` could not be avoided.
        AvoidPresent,
        /// A number that looks private was masked.
        PrivateNumberMasked,
        /// The engine asked for was overloaded; a simpler one answered.
        EngineDegraded,
    }

    /// Tokens of the model, counted exactly.
    #[derive(Copy, Eq, Default)]
    pub struct TokenUsage {
        /// Text tokens read.
        pub prompt_tokens: u32,
        /// Image tokens read.
        pub image_tokens: u32,
        /// Tokens written.
        pub completion_tokens: u32,
    }

    /// Milliseconds spent per stage.
    #[derive(Copy, Eq, Default)]
    pub struct Timings {
        /// Waiting for a place.
        pub queue: u32,
        /// Reading the prompt and the pictures.
        pub prefill: u32,
        /// Writing.
        pub decode: u32,
        /// From the accepted request to the answer.
        pub total: u32,
    }
}

impl Field {
    /// Every field, in the order in which answers list them.
    pub const ALL: [Self; 8] = [
        Self::Title,
        Self::MetaDescription,
        Self::Keywords,
        Self::Slug,
        Self::Summary,
        Self::AltTexts,
        Self::OpenGraph,
        Self::JsonLd,
    ];
}

impl Target {
    /// Every place, in the order in which they are offered.
    pub const ALL: [Self; 6] = [
        Self::Google,
        Self::GoogleMobile,
        Self::Bing,
        Self::Baidu,
        Self::Wechat,
        Self::X,
    ];

    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Google => "google",
            Self::GoogleMobile => "google_mobile",
            Self::Bing => "bing",
            Self::Baidu => "baidu",
            Self::Wechat => "wechat",
            Self::X => "x",
        }
    }
}

impl EngineName {
    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Glm4v => "glm4v",
            Self::Upstream => "upstream",
            Self::Extractive => "extractive",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_needs_no_more_than_its_article() {
        let request: SummaryRequest =
            serde_json::from_str(r#"{"article":{"content":"Hello","format":"text"}}"#).unwrap();
        assert_eq!(request.engine, EnginePreference::Auto);
        assert_eq!(request.article.unwrap().format, ContentFormat::Text);
    }

    #[test]
    fn a_misspelt_field_is_named() {
        let error = serde_json::from_str::<SummaryRequest>(r#"{"artcle":{}}"#).unwrap_err();
        assert!(error.to_string().contains("artcle"), "{error}");
    }

    #[test]
    fn all_lists_every_field_by_its_wire_name() {
        let names: Vec<String> = Field::ALL
            .iter()
            .map(|field| serde_json::to_string(field).unwrap())
            .collect();
        assert_eq!(
            names.join(" "),
            r#""title" "meta_description" "keywords" "slug" "summary" "alt_texts" "open_graph" "json_ld""#
        );
    }
}
