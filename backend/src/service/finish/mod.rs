//! What an engine wrote becomes what a caller gets: within its length, without markup, grounded, masked.
//!
//! Field by field, while the engine still writes, so that a streamed field never changes later.

mod clean;
mod fit;
mod ground;
mod mask_pii;
mod slug;
mod social;
mod stream;

use api::{
    AltText, Candidate, Event, Field, FieldValue, ImageRole, Summary, TokenUsage, Warning,
    WarningCode,
};
use serde_json::Value;

pub(super) use self::clean::clean_answer;
use self::fit::{Bound, Lengths};
use self::ground::Source;
pub(super) use self::mask_pii::Shown;
use self::stream::Drafts;
use crate::engines::{Output, Written};
use crate::intake::{Intake, Picture};

/// Takes an engine's output and holds what is finished.
pub(super) struct Finisher {
    intake: Intake,
    /// The engine looked at the pixels, so an alt text may say what no word of the article says.
    sees_images: bool,
    /// Private numbers that the article does not show are masked.
    mask_numbers: bool,
    source: Source,
    /// Where the post shows each picture, when its content tells.
    addresses: Vec<Option<String>>,
    language: String,
    fields: Fields,
    drafts: Drafts,
    warnings: Vec<Warning>,
}

#[derive(Default)]
struct Fields {
    title: Option<String>,
    meta_description: Option<String>,
    keywords: Option<Vec<String>>,
    slug: Option<String>,
    summary: Option<String>,
    alt_texts: Option<Vec<AltText>>,
}

fn masked(text: &str, source: &Source, mask: bool) -> String {
    if mask {
        source.shown().mask(text)
    } else {
        text.to_owned()
    }
}

/// What is there at the end.
pub(super) struct Finished {
    /// The answer, without what only the caller of the engine knows.
    pub(super) summary: Summary,
    /// The fields that are made of others.
    pub(super) events: Vec<Event>,
}

impl Finisher {
    pub(super) fn new(intake: &Intake, sees_images: bool, mask_numbers: bool) -> Self {
        let article = intake.request.article.as_ref();
        let language = given_language(intake).map(str::to_owned);
        let source = Source::of(article, &intake.pictures);
        let names = intake
            .pictures
            .iter()
            .map(|picture| picture.filename.as_deref());
        Self {
            addresses: names.map(|name| source.address(name?)).collect(),
            sees_images,
            mask_numbers,
            source,
            language: language.unwrap_or_else(|| "und".to_owned()),
            fields: Fields::default(),
            drafts: Drafts::default(),
            warnings: intake
                .pictures
                .iter()
                .flat_map(|picture| picture.warnings.clone())
                .collect(),
            intake: intake.clone(),
        }
    }

    /// Finishes one output. Gives the events that tell it, when the caller asked for that field.
    pub(super) fn take(&mut self, output: Output) -> Vec<Event> {
        match output {
            Output::Language { tag, certain } => {
                self.take_language(tag, certain);
                vec![]
            }
            Output::Delta(field, text) => self.take_delta(field, &text).into_iter().collect(),
            Output::Field(written) => {
                let field = written.field();
                let value = self.take_field(written);
                let rest = value.as_str().and_then(|text| self.drafts.end(field, text));
                let whole = Event::Field(FieldValue { name: field, value });
                match self.wants(field) {
                    true => rest.into_iter().chain([whole]).collect(),
                    false => vec![],
                }
            }
        }
    }

    fn take_delta(&mut self, field: Field, text: &str) -> Option<Event> {
        if !self.wants(field) {
            return None;
        }
        let lengths = self.lengths();
        let max = match field {
            Field::Title => lengths.title,
            Field::MetaDescription => lengths.description,
            _ => fit::SUMMARY,
        };
        let (source, language) = (&self.source, &self.language);
        let mask = self.mask_numbers;
        self.drafts.piece(field, text, |raw| {
            let finished = masked(&clean::clean(raw, source.text()), source, mask);
            // What is too long is cut at a place that is known only at its end.
            (max.fit(&finished, language) == finished).then_some(finished)
        })
    }

    /// Makes the derived fields and the answer.
    pub(super) fn finish(
        &mut self,
        candidates: Vec<Candidate>,
        warnings: Vec<Warning>,
    ) -> Finished {
        self.warnings.extend(warnings);
        self.check_phrases();
        let shown = self.shown();
        let facts = self.facts(&shown);
        let open_graph = self
            .wants(Field::OpenGraph)
            .then(|| social::open_graph(&facts));
        let json_ld = self.wants(Field::JsonLd).then(|| social::json_ld(&facts));
        let value = |name, value: Option<Value>| {
            value.map(|value| Event::Field(FieldValue { name, value }))
        };
        let events = [
            value(
                Field::OpenGraph,
                open_graph
                    .as_ref()
                    .map(|properties| serde_json::json!(properties)),
            ),
            value(Field::JsonLd, json_ld.clone().map(Value::Object)),
        ];
        let candidates = self.candidates(candidates);
        let fields = std::mem::take(&mut self.fields);
        let wants = |field| self.wants(field);
        let summary = Summary {
            id: String::new(),
            language: self.language.clone(),
            title: fields.title.filter(|_| wants(Field::Title)),
            meta_description: fields
                .meta_description
                .filter(|_| wants(Field::MetaDescription)),
            keywords: fields.keywords.filter(|_| wants(Field::Keywords)),
            slug: fields.slug.filter(|_| wants(Field::Slug)),
            summary: fields.summary.filter(|_| wants(Field::Summary)),
            alt_texts: fields.alt_texts.filter(|_| wants(Field::AltTexts)),
            open_graph,
            json_ld,
            candidates,
            warnings: std::mem::take(&mut self.warnings),
            engine: api::EngineName::Extractive,
            model: String::new(),
            prompt_version: String::new(),
            cached: false,
            usage: TokenUsage::default(),
            timings: api::Timings::default(),
        };
        Finished {
            summary,
            events: events.into_iter().flatten().collect(),
        }
    }

    fn wants(&self, field: Field) -> bool {
        self.intake
            .request
            .fields
            .as_deref()
            .is_none_or(|fields| fields.contains(&field))
    }

    fn lengths(&self) -> Lengths {
        Lengths::of(&self.language, &self.intake.request.limits)
    }

    fn take_language(&mut self, tag: String, certain: bool) {
        // The writer's own tag may name a region or a script, which no text tells.
        if given_language(&self.intake).is_none() {
            self.language = tag;
        }
        if !certain && self.intake.request.article.is_some() {
            self.warn(
                WarningCode::LanguageUncertain,
                None,
                "The article's language could not be told; name it in `article.language`.",
            );
        }
    }

    fn take_field(&mut self, written: Written) -> Value {
        let lengths = self.lengths();
        match written {
            Written::Title(text) => {
                let text = self.prose(Field::Title, &text, lengths.title);
                Value::from(self.fields.title.insert(text).as_str())
            }
            Written::MetaDescription(text) => {
                let text = self.prose(Field::MetaDescription, &text, lengths.description);
                Value::from(self.fields.meta_description.insert(text).as_str())
            }
            Written::Summary(text) => {
                let text = self.prose(Field::Summary, &text, fit::SUMMARY);
                Value::from(self.fields.summary.insert(text).as_str())
            }
            Written::Keywords(keywords) => {
                let keywords = self.keywords(&keywords, lengths.keywords);
                Value::from(self.fields.keywords.insert(keywords).clone())
            }
            Written::Slug(text) => {
                let slug = slug::slug(&text, self.fields.title.as_deref(), &self.language);
                self.warn_if_empty(Field::Slug, slug.is_empty());
                Value::from(self.fields.slug.insert(slug).as_str())
            }
            Written::AltTexts(alt_texts) => {
                let alt_texts = self.alt_texts(alt_texts, lengths.alt);
                serde_json::json!(self.fields.alt_texts.insert(alt_texts))
            }
        }
    }

    /// A text in full: cleaned, masked, fitted, grounded; each change is told.
    fn prose(&mut self, field: Field, text: &str, max: Bound) -> String {
        let text = self.safe(field, text);
        let fitted = max.fit(&text, &self.language);
        if fitted.len() < text.trim_end().len() {
            self.warn(
                WarningCode::FieldShortened,
                Some(field),
                &max.exceeded(text.trim_end(), &self.language),
            );
        }
        self.warn_if_empty(field, fitted.is_empty());
        let strange = self.source.unsupported(&fitted);
        if !strange.is_empty() {
            self.warn(
                WarningCode::NotInArticle,
                Some(field),
                &format!("Not in the article: {}.", strange.join(", ")),
            );
        }
        // A title names; what a sentence says is claimed.
        if field != Field::Title {
            for claim in self.source.unsupported_claims(&fitted) {
                self.warn(
                    WarningCode::ClaimUnsupported,
                    Some(field),
                    &format!("No sentence of the article says this: “{claim}”"),
                );
            }
        }
        fitted
    }

    /// Without markup, foreign addresses and foreign private numbers.
    fn safe(&mut self, field: Field, text: &str) -> String {
        let text = clean::clean(text, self.source.text());
        let masked = masked(&text, &self.source, self.mask_numbers);
        if masked != text {
            self.warn(
                WarningCode::PrivateNumberMasked,
                Some(field),
                "A number that looks private and is not in the article was masked.",
            );
        }
        masked
    }

    fn keywords(&mut self, keywords: &[String], max: usize) -> Vec<String> {
        let mut seen = std::collections::HashSet::new();
        let keywords: Vec<String> = keywords
            .iter()
            .map(|keyword| self.safe(Field::Keywords, keyword))
            .filter(|keyword| !keyword.is_empty() && seen.insert(keyword.to_lowercase()))
            .take(max)
            .collect();
        self.warn_if_empty(Field::Keywords, keywords.is_empty());
        keywords
    }

    /// One text for each picture, in the request's order, whatever the engine gave.
    fn alt_texts(&mut self, written: Vec<AltText>, max: Bound) -> Vec<AltText> {
        let mut written: std::collections::HashMap<String, AltText> = written
            .into_iter()
            .map(|alt| (alt.id.clone(), alt))
            .collect();
        let pictures = self.intake.pictures.clone();
        let alt_texts = pictures.into_iter().map(|picture| {
            let alt = written.remove(&picture.id);
            if self.adorns(&picture, alt.as_ref()) {
                return AltText {
                    id: picture.id.clone(),
                    text: String::new(),
                    decorative: true,
                    needs_human: false,
                };
            }
            let guessed = alt.as_ref().is_none_or(|alt| alt.needs_human);
            let alt = alt.filter(|alt| !alt.decorative);
            let file = picture.filename.as_deref().unwrap_or_default();
            let text = alt.map_or_else(String::new, |alt| self.alt_text(&alt.text, file, max));
            if text.is_empty() && picture.role == ImageRole::Informative {
                self.warnings.push(Warning {
                    code: WarningCode::FieldEmpty,
                    field: Some(Field::AltTexts),
                    image: Some(picture.id.clone()),
                    detail: "Nothing could be said of this picture; write its text yourself."
                        .to_owned(),
                });
            }
            // What is seen in a blurred picture is a guess too.
            let blurred = self.sees_images && picture.looks.is_some_and(|looks| looks.too_soft);
            AltText {
                id: picture.id.clone(),
                decorative: false,
                needs_human: guessed || text.is_empty() || blurred,
                text,
            }
        });
        alt_texts.collect()
    }

    /// Whether a picture carries `alt=""`: its author says so, or an engine that has seen it; else only its name can tell.
    fn adorns(&self, picture: &Picture, alt: Option<&AltText>) -> bool {
        let named = picture
            .filename
            .as_deref()
            .is_some_and(extractive::is_ornament);
        match picture.role {
            ImageRole::Decorative => true,
            ImageRole::Informative => false,
            ImageRole::Auto => alt.is_some_and(|alt| alt.decorative) && (self.sees_images || named),
        }
    }

    /// Without the words that only say that there is a picture; empty when it is nothing but the file's name.
    fn alt_text(&mut self, text: &str, file: &str, max: Bound) -> String {
        let text = self.safe(Field::AltTexts, text);
        let text = if self.sees_images {
            text.trim_start_matches(['"', '“'])
        } else {
            &text
        };
        if extractive::is_file_name(text, file) {
            return String::new();
        }
        max.fit(&extractive::bare(text), &self.language)
    }

    fn candidates(&mut self, candidates: Vec<Candidate>) -> Option<Vec<Candidate>> {
        let wanted = usize::from(self.intake.request.candidates.unwrap_or(1));
        if wanted < 2 {
            return None;
        }
        let lengths = self.lengths();
        let own = Candidate {
            title: self.fields.title.clone().unwrap_or_default(),
            meta_description: self.fields.meta_description.clone().unwrap_or_default(),
        };
        let mut out = vec![own];
        for candidate in candidates {
            let title = self.safe(Field::Title, &candidate.title);
            let description = self.safe(Field::MetaDescription, &candidate.meta_description);
            let candidate = Candidate {
                title: lengths.title.fit(&title, &self.language),
                meta_description: lengths.description.fit(&description, &self.language),
            };
            if !out.contains(&candidate) && out.len() < wanted {
                out.push(candidate);
            }
        }
        Some(out)
    }

    fn check_phrases(&mut self) {
        let guidelines = self.intake.request.guidelines.clone();
        for phrase in &guidelines.must_include {
            if self.source.holds(phrase) {
                continue;
            }
            self.warn(
                WarningCode::MustIncludeMissing,
                None,
                &format!(
                    "`{}` is not in the article and was left out.",
                    clean::clean(phrase, "")
                ),
            );
        }
        let texts = [
            (Field::Title, self.fields.title.clone()),
            (Field::MetaDescription, self.fields.meta_description.clone()),
            (
                Field::Keywords,
                self.fields
                    .keywords
                    .as_ref()
                    .map(|keywords| keywords.join("\n")),
            ),
            (Field::Summary, self.fields.summary.clone()),
        ];
        for (field, text) in texts {
            let text = text.unwrap_or_default().to_lowercase();
            for phrase in guidelines
                .avoid
                .iter()
                .filter(|phrase| text.contains(&phrase.to_lowercase()))
            {
                let detail = format!("`{}` could not be avoided.", clean::clean(phrase, ""));
                self.warn(WarningCode::AvoidPresent, Some(field), &detail);
            }
        }
    }

    fn facts<'a>(&'a self, pictures: &'a [social::Shown<'a>]) -> social::Facts<'a> {
        let article = self.intake.request.article.as_ref();
        social::Facts {
            title: self.fields.title.as_deref().unwrap_or_default(),
            description: self.fields.meta_description.as_deref().unwrap_or_default(),
            keywords: self.fields.keywords.as_deref().unwrap_or_default(),
            language: &self.language,
            url: article.and_then(|article| article.url.as_deref()),
            brand: self.intake.request.guidelines.brand.as_deref(),
            pictures,
        }
    }

    /// The pictures as the post shows them.
    fn shown(&self) -> Vec<social::Shown<'_>> {
        let alt_texts = self.fields.alt_texts.as_deref().unwrap_or_default();
        let pictures = self.intake.pictures.iter().zip(&self.addresses);
        pictures
            .map(|(picture, url)| social::Shown {
                url: url.as_deref(),
                alt: alt_texts.iter().find(|alt| alt.id == picture.id),
            })
            .collect()
    }

    fn warn_if_empty(&mut self, field: Field, empty: bool) {
        if empty && self.wants(field) {
            self.warn(
                WarningCode::FieldEmpty,
                Some(field),
                "There was too little to write this from.",
            );
        }
    }

    fn warn(&mut self, code: WarningCode, field: Option<Field>, detail: &str) {
        let asked = field.is_none_or(|field| self.wants(field));
        let known = self.warnings.iter().any(|warning| {
            warning.code == code && warning.field == field && warning.detail == detail
        });
        if asked && !known {
            self.warnings.push(Warning {
                code,
                field,
                image: None,
                detail: detail.to_owned(),
            });
        }
    }
}

/// The language that the request names.
fn given_language(intake: &Intake) -> Option<&str> {
    let article = intake.request.article.as_ref()?;
    article.language.as_deref().filter(|tag| *tag != "auto")
}

#[cfg(test)]
mod tests {
    use super::*;
    use api::{Article, ContentFormat, SummaryRequest};

    fn intake(request: SummaryRequest) -> Intake {
        let content =
            "Rye bread needs time. Call 020 7946 0018 or see https://bread.example/rye for more."
                .to_owned();
        let article = Article {
            content,
            format: ContentFormat::Text,
            ..Article::default()
        };
        Intake {
            request: SummaryRequest {
                article: Some(article),
                ..request
            },
            pictures: vec![],
        }
    }

    fn picture(id: &str, role: ImageRole) -> Picture {
        Picture {
            id: id.into(),
            filename: None,
            caption: None,
            link: None,
            role,
            bytes: bytes::Bytes::new(),
            media_type: "image/png",
            looks: None,
            digest: [0; 32],
            warnings: vec![],
        }
    }

    fn finisher(request: SummaryRequest) -> Finisher {
        let mut finisher = Finisher::new(&intake(request), true, true);
        finisher.take(Output::Language {
            tag: "en".into(),
            certain: true,
        });
        finisher
    }

    /// The title that comes out, and the codes of the warnings.
    fn title(text: &str) -> (String, Vec<WarningCode>) {
        let mut finisher = finisher(SummaryRequest::default());
        finisher.take(Output::Field(Written::Title(text.into())));
        let summary = finisher.finish(vec![], vec![]).summary;
        (
            summary.title.unwrap(),
            summary
                .warnings
                .iter()
                .map(|warning| warning.code)
                .collect(),
        )
    }

    #[test]
    fn a_field_within_its_bounds_stays_as_it_is() {
        assert_eq!(
            title("Rye bread needs time"),
            ("Rye bread needs time".into(), vec![])
        );
    }

    #[test]
    fn markup_and_foreign_addresses_go() {
        let (text, _) =
            title("<b>Rye</b> bread <script>alert(1)</script> needs time https://evil.example/x");
        assert_eq!(text, "Rye bread needs time");
        assert_eq!(
            title("Rye https://bread.example/rye").0,
            "Rye https://bread.example/rye"
        );
    }

    #[test]
    fn a_text_that_is_too_long_is_cut_and_said_so() {
        let (text, warnings) = title(&"rye bread needs time ".repeat(9));
        assert!(text.chars().count() <= 60, "{text}");
        assert_eq!(warnings, [WarningCode::FieldShortened]);
    }

    #[test]
    fn a_text_that_is_too_wide_is_cut_and_said_so() {
        let target = |target| SummaryRequest {
            limits: api::FieldLimits {
                target: Some(target),
                ..api::FieldLimits::default()
            },
            ..SummaryRequest::default()
        };
        let fitted = |request| {
            let mut finisher = finisher(request);
            let text = "RYE BREAD NEEDS TIME, AND MORE TIME FOR EVERY LOAF";
            finisher.take(Output::Field(Written::Title(text.into())));
            finisher.finish(vec![], vec![]).summary
        };
        let google = fitted(target(api::Target::Google));
        assert_eq!(google.title.unwrap(), "RYE BREAD NEEDS TIME, AND MORE TIME");
        assert!(
            google.warnings[0].detail.contains("580 pixels"),
            "{:?}",
            google.warnings
        );
        assert!(
            fitted(target(api::Target::X))
                .title
                .unwrap()
                .ends_with("LOAF")
        );
    }

    #[test]
    fn words_from_nowhere_are_named() {
        let (_, warnings) = title("Rye bread cures melancholia");
        assert_eq!(warnings, [WarningCode::NotInArticle]);
    }

    #[test]
    fn a_claim_from_nowhere_is_named() {
        let warnings = |text: &str| {
            let mut finisher = finisher(SummaryRequest::default());
            finisher.take(Output::Field(Written::Summary(text.into())));
            finisher.finish(vec![], vec![]).summary.warnings
        };
        assert_eq!(warnings("Bread of rye needs its time."), []);
        let told = warnings("Rye bread needs time. Skills raise the price of a loaf.");
        let claims: Vec<_> = told
            .iter()
            .filter(|warning| warning.code == WarningCode::ClaimUnsupported)
            .collect();
        assert_eq!(claims.len(), 1, "{told:?}");
        assert!(claims[0].detail.contains("Skills raise"), "{told:?}");
        assert_eq!(claims[0].field, Some(Field::Summary));
    }

    #[test]
    fn a_private_number_is_masked_unless_the_article_has_it() {
        assert_eq!(title("Call 020 7946 0018").0, "Call 020 7946 0018");
        let (text, warnings) = title("Rye 4111 1111 1111 1111");
        assert!(!text.contains("4111"), "{text}");
        assert!(warnings.contains(&WarningCode::PrivateNumberMasked));
    }

    /// What comes out of one field of a Chinese article.
    fn chinese(request: SummaryRequest, written: Written) -> Summary {
        let mut intake = intake(request);
        intake.request.article.as_mut().unwrap().content =
            "黑麦面包需要时间和耐心，所以每天晚上都要喂酵头，并放在温暖的厨房里。电话：020 7946 0018。"
                .to_owned();
        let mut finisher = Finisher::new(&intake, true, true);
        finisher.take(Output::Language {
            tag: "zh".into(),
            certain: true,
        });
        finisher.take(Output::Field(written));
        finisher.finish(vec![], vec![]).summary
    }

    fn chinese_title(text: &str) -> (String, Vec<WarningCode>) {
        let summary = chinese(SummaryRequest::default(), Written::Title(text.into()));
        let codes = summary.warnings.iter().map(|warning| warning.code);
        (summary.title.unwrap(), codes.collect())
    }

    #[test]
    fn a_chinese_text_that_is_too_long_or_too_wide_is_cut_and_said_so() {
        let (text, warnings) = chinese_title(&"黑麦面包需要时间".repeat(9));
        assert!(
            !text.is_empty() && extractive::width(&text) <= 30.0,
            "{text}"
        );
        assert_eq!(warnings, [WarningCode::FieldShortened]);
        // Thirty characters are allowed, but they are 600 pixels wide.
        let thirty = "黑麦面包需要时间和耐心所以每天晚上都要喂酵头并放在温暖厨房里";
        assert_eq!(thirty.chars().count(), 30);
        let summary = chinese(SummaryRequest::default(), Written::Title(thirty.into()));
        let title = summary.title.unwrap();
        assert!(
            title.chars().count() < 30 && thirty.starts_with(&title),
            "{title}"
        );
        assert!(
            summary.warnings[0].detail.contains("580 pixels"),
            "{:?}",
            summary.warnings
        );
    }

    #[test]
    fn a_region_changes_no_rule() {
        let end = |tag: &str, text: &str| {
            let request = SummaryRequest {
                limits: api::FieldLimits {
                    description_chars: Some(if tag.starts_with("zh") { 20 } else { 65 }),
                    ..api::FieldLimits::default()
                },
                ..SummaryRequest::default()
            };
            let mut intake = intake(request);
            intake.request.article.as_mut().unwrap().language = Some(tag.to_owned());
            let mut finisher = Finisher::new(&intake, true, true);
            finisher.take(Output::Field(Written::MetaDescription(text.into())));
            let summary = finisher.finish(vec![], vec![]).summary;
            summary.meta_description.unwrap()
        };
        let chinese = "黑麦面包需要的是时间和耐心，所以每天晚上都要喂一次酵头。";
        for tag in ["zh", "zh-CN", "zh-Hant-TW"] {
            assert_eq!(end(tag, chinese), "黑麦面包需要的是时间和耐心。");
        }
        let english =
            "The features let users share content with people outside of the organization.";
        for tag in ["en", "en-US"] {
            assert_eq!(
                end(tag, english),
                "The features let users share content with people."
            );
        }
    }

    #[test]
    fn what_a_chinese_article_does_not_say_is_named() {
        assert_eq!(
            chinese_title("黑麦面包需要时间"),
            ("黑麦面包需要时间".into(), vec![])
        );
        let (_, warnings) = chinese_title("黑麦面包治疗忧郁症");
        assert_eq!(warnings, [WarningCode::NotInArticle]);
        let text = "黑麦面包需要时间和耐心。它治好了很多人的忧郁症。";
        let told = chinese(SummaryRequest::default(), Written::Summary(text.into())).warnings;
        let claims: Vec<_> = told
            .iter()
            .filter(|warning| warning.code == WarningCode::ClaimUnsupported)
            .collect();
        assert_eq!(claims.len(), 1, "{told:?}");
        assert!(claims[0].detail.contains("忧郁症"), "{told:?}");
    }

    #[test]
    fn a_private_number_in_chinese_is_masked_unless_the_article_has_it() {
        assert_eq!(
            chinese_title("电话：020 7946 0018").0,
            "电话：020 7946 0018"
        );
        let (text, warnings) = chinese_title("黑麦面包，卡号4111 1111 1111 1111");
        assert!(
            !text.contains("4111") && text.contains("黑麦面包"),
            "{text}"
        );
        assert!(warnings.contains(&WarningCode::PrivateNumberMasked));
    }

    #[test]
    fn an_alt_text_says_neither_that_there_is_a_picture_nor_what_its_file_is_called() {
        let alt = |sees_images, text: &str| {
            let mut intake = intake(SummaryRequest::default());
            let file = Some("uploads/IMG_2041.jpg".to_owned());
            intake.pictures = vec![Picture {
                filename: file,
                ..picture("a", ImageRole::Auto)
            }];
            let mut finisher = Finisher::new(&intake, sees_images, true);
            finisher.take(Output::Field(Written::AltTexts(vec![AltText {
                id: "a".into(),
                text: text.into(),
                decorative: false,
                needs_human: false,
            }])));
            let summary = finisher.finish(vec![], vec![]).summary;
            let alt = summary.alt_texts.unwrap().remove(0);
            (alt.text, alt.needs_human)
        };
        for sees_images in [true, false] {
            let check = |text: &str, expect: &str| {
                let expect = (expect.to_owned(), expect.is_empty());
                assert_eq!(alt(sees_images, text), expect, "{text}");
            };
            check("An image of a loaf on a board", "A loaf on a board");
            check("一张港口的照片", "港口");
            check("图片显示了港口", "港口");
            check("Chart of sales", "Chart of sales");
            check("IMG_2041.jpg", "");
            check("img_2041", "");
            check("other.png", "");
        }
    }

    #[test]
    fn an_empty_field_is_said_so() {
        assert_eq!(title("").1, [WarningCode::FieldEmpty]);
    }

    #[test]
    fn no_piece_holds_what_the_field_does_not() {
        let text = "Rye <think>a secret</think><b>bread</b> at https://evil.example/x or 4111 1111 1111 1111 now";
        let mut finisher = finisher(SummaryRequest::default());
        let pieces = text
            .char_indices()
            .map(|(at, c)| &text[at..at + c.len_utf8()]);
        let outputs = pieces.map(|piece| Output::Delta(Field::Title, piece.to_owned()));
        let end = Output::Field(Written::Title(text.to_owned()));
        let events: Vec<Event> = outputs
            .chain([end])
            .flat_map(|output| finisher.take(output))
            .collect();
        let told: String = events
            .iter()
            .filter_map(|event| match event {
                Event::Delta(delta) => Some(delta.text.as_str()),
                _ => None,
            })
            .collect();
        assert_eq!(told, "Rye bread at or **** **** **** **** now");
        assert!(
            matches!(events.last(), Some(Event::Field(field)) if field.value == told.as_str()),
            "{events:?}"
        );
    }

    #[test]
    fn a_language_that_is_given_is_kept() {
        let mut intake = intake(SummaryRequest::default());
        intake.request.article.as_mut().unwrap().language = Some("en-GB".to_owned());
        let mut finisher = Finisher::new(&intake, true, true);
        finisher.take(Output::Language {
            tag: "en".into(),
            certain: true,
        });
        assert_eq!(finisher.finish(vec![], vec![]).summary.language, "en-GB");
    }

    #[test]
    fn a_field_that_was_not_asked_for_is_neither_told_nor_given() {
        let request = SummaryRequest {
            fields: Some(vec![Field::OpenGraph]),
            ..SummaryRequest::default()
        };
        let mut finisher = finisher(request);
        assert_eq!(
            finisher.take(Output::Field(Written::Title("Rye bread".into()))),
            []
        );
        let finished = finisher.finish(vec![], vec![]);
        assert_eq!((finished.summary.title, finished.events.len()), (None, 1));
        assert_eq!(
            finished.summary.open_graph.unwrap()["og:title"],
            "Rye bread"
        );
    }

    #[test]
    fn there_is_one_alt_text_per_picture_in_order() {
        let mut intake = intake(SummaryRequest::default());
        intake.pictures = vec![
            picture("a", ImageRole::Decorative),
            picture("b", ImageRole::Auto),
            picture("c", ImageRole::Informative),
        ];
        let mut finisher = Finisher::new(&intake, true, true);
        let alt = |id: &str| AltText {
            id: id.into(),
            text: "A loaf".into(),
            decorative: false,
            needs_human: false,
        };
        finisher.take(Output::Field(Written::AltTexts(vec![
            alt("b"),
            alt("a"),
            alt("x"),
        ])));
        let summary = finisher.finish(vec![], vec![]).summary;
        let texts: Vec<_> = summary
            .alt_texts
            .unwrap()
            .into_iter()
            .map(|alt| (alt.id, alt.text, alt.decorative, alt.needs_human))
            .collect();
        let expect = [
            ("a", "", true, false),
            ("b", "A loaf", false, false),
            ("c", "", false, true),
        ];
        let owned = |(id, text, decorative, needs_human): (&str, &str, bool, bool)| {
            (id.to_owned(), text.to_owned(), decorative, needs_human)
        };
        assert_eq!(texts, expect.map(owned));
        assert!(
            summary
                .warnings
                .iter()
                .any(|w| w.image.as_deref() == Some("c") && w.code == WarningCode::FieldEmpty)
        );
    }

    #[test]
    fn the_first_candidate_is_the_answer_and_none_comes_twice() {
        let request = SummaryRequest {
            candidates: Some(3),
            ..SummaryRequest::default()
        };
        let mut finisher = finisher(request);
        finisher.take(Output::Field(Written::Title("Rye bread".into())));
        finisher.take(Output::Field(Written::MetaDescription(
            "Rye bread needs time.".into(),
        )));
        let other = |title: &str| Candidate {
            title: title.into(),
            meta_description: "Rye bread needs time.".into(),
        };
        let candidates = vec![
            other("Rye bread"),
            other("Bread"),
            other("Bread"),
            other("Time"),
        ];
        let titles: Vec<_> = finisher
            .finish(candidates, vec![])
            .summary
            .candidates
            .unwrap()
            .into_iter()
            .map(|c| c.title)
            .collect();
        assert_eq!(titles, ["Rye bread", "Bread", "Time"]);
    }
}
