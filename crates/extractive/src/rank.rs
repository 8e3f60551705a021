//! What is said where: sentences with their words, and how well each would describe the article.

mod compress;
mod features;
mod form;
mod promise;
mod verbs;
mod weights;

use crate::fit::Room;
use crate::language::measure_limits;
use crate::segment;
use crate::text::{Block, BlockKind, Document, first_chars};
use crate::{clean, fit};
pub(crate) use features::FEATURES;
use foldhash::{HashMap, HashMapExt as _, HashSet};
pub(crate) use form::leans;
use segment::Lexicon;
use std::borrow::Cow;
use std::cell::RefCell;
use std::rc::Rc;
pub(crate) use verbs::{gerund_to_base, is_verb_form, starts_with_verb};

/// How many sentences are weighed; what describes an article stands before them.
const MAX_SENTENCES: usize = 300;
/// Longer sentences are no sentences: lists without full stops, minified text.
const MAX_SENTENCE_CHARS: usize = 1_200;
/// How much of one paragraph is read.
const MAX_BLOCK_CHARS: usize = 20_000;

/// An article, cut into sentences and words once.
#[derive(Debug)]
pub(crate) struct Analysis<'a> {
    pub(crate) document: &'a Document,
    pub(crate) language: String,
    /// The article's own title, cleaned; empty when it has none.
    pub(crate) title: String,
    /// Whether the title begins with a verb.
    title_verb: bool,
    /// Whether the title says how something is done.
    title_how: bool,
    /// Of each block of the document all sentences, cleaned; of a heading its own.
    pub(crate) cut: Vec<Vec<String>>,
    pub(crate) sentences: Vec<Sentence>,
    pub(crate) title_stems: Vec<Rc<str>>,
    pub(crate) heading_stems: HashSet<Rc<str>>,
    /// How often each content word stands in the sentences.
    pub(crate) counts: HashMap<Rc<str>, u32>,
    /// The greatest of `counts`.
    pub(crate) most: u32,
    pub(crate) lexicon: RefCell<Lexicon>,
}

/// A sentence that could stand in a description.
#[derive(Debug, Clone)]
pub(crate) struct Sentence {
    pub(crate) text: String,
    pub(crate) block: usize,
    /// Its place in its block.
    pub(crate) in_block: usize,
    pub(crate) kind: BlockKind,
    /// How many headings stand above it.
    pub(crate) section: usize,
    /// Its content words, as they are compared.
    pub(crate) stems: Vec<Rc<str>>,
}

impl<'a> Analysis<'a> {
    pub(crate) fn new(document: &'a Document, title: String, language: String) -> Self {
        let mut lexicon = Lexicon::new(&language);
        let title_stems = lexicon.stems(&title);
        let cut: Vec<Vec<String>> = document.blocks.iter().map(cut).collect();
        let mut analysis = Self {
            document,
            sentences: collect_sentences(document, &cut, &mut lexicon),
            cut,
            heading_stems: heading_stems(document, &mut lexicon),
            title_verb: starts_with_verb(&title, &language),
            title_how: features::is_how(&title),
            counts: HashMap::new(),
            most: 1,
            lexicon: RefCell::new(lexicon),
            language,
            title,
            title_stems,
        };
        for stem in analysis
            .sentences
            .iter()
            .flat_map(|sentence| &sentence.stems)
        {
            let count = analysis.counts.entry(Rc::clone(stem)).or_insert(0);
            *count += 1;
            analysis.most = analysis.most.max(*count);
        }
        analysis
    }

    /// The content words of a text, as they are compared.
    pub(crate) fn stems(&self, text: &str) -> Vec<Rc<str>> {
        self.lexicon.borrow_mut().stems(text)
    }
}

fn heading_stems(document: &Document, lexicon: &mut Lexicon) -> HashSet<Rc<str>> {
    let headings = document
        .blocks
        .iter()
        .filter(|block| matches!(block.kind, BlockKind::Heading(_)))
        .take(200);
    headings
        .flat_map(|block| lexicon.stems(first_chars(&block.text, 300)))
        .collect()
}

fn cut(block: &Block) -> Vec<String> {
    let text = first_chars(&block.text, MAX_BLOCK_CHARS);
    segment::sentences(text).into_iter().map(clean).collect()
}

fn collect_sentences(
    document: &Document,
    cut: &[Vec<String>],
    lexicon: &mut Lexicon,
) -> Vec<Sentence> {
    let mut out: Vec<Sentence> = Vec::new();
    let mut section = 0;
    for (block, (content, sentences)) in document.blocks.iter().zip(cut).enumerate() {
        if matches!(content.kind, BlockKind::Heading(_)) {
            section += 1;
            continue;
        }
        for (in_block, text) in sentences.iter().enumerate() {
            if out.len() >= MAX_SENTENCES {
                return out;
            }
            if text.chars().nth(MAX_SENTENCE_CHARS).is_some() {
                continue;
            }
            let stems = lexicon.kept_stems(text);
            if !stems.is_empty() {
                out.push(Sentence {
                    text: text.clone(),
                    block,
                    in_block,
                    kind: content.kind,
                    section,
                    stems,
                });
            }
        }
    }
    out
}

/// How a description was made; the frames are the only words that do not come from the article.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Frame {
    /// One sentence of the article.
    Sentence,
    /// Two neighbouring sentences.
    Pair,
    /// `Learn how to …` of a sentence that says that the article shows how.
    Promise,
    /// `Learn how to <title>.`, `了解如何<title>。`, for titles that begin with a verb.
    Learn,
    /// `Learn` with one of the first sentences behind it.
    LearnMore,
    /// The title in front of a sentence.
    Titled,
    /// The title alone, when there is nothing else.
    Title,
}

impl Frame {
    /// Whether it holds the article's title.
    pub(crate) fn says_title(self) -> bool {
        matches!(
            self,
            Self::Learn | Self::LearnMore | Self::Titled | Self::Title
        )
    }
}

/// A description that could be given.
#[derive(Debug, Clone)]
pub(crate) struct Candidate {
    pub(crate) text: String,
    /// Indices into [`Analysis::sentences`].
    pub(crate) parts: Vec<usize>,
    pub(crate) frame: Frame,
    pub(crate) features: Vec<f32>,
    pub(crate) score: f32,
}

/// All descriptions that could be given, best first; none holds a phrase of `avoid`.
pub(crate) fn candidates(
    analysis: &Analysis<'_>,
    room: Room<'_>,
    avoid: &[String],
) -> Vec<Candidate> {
    let mut out = Vec::new();
    for (index, sentence) in analysis.sentences.iter().enumerate() {
        if !is_usable(&sentence.text) {
            continue;
        }
        add(
            analysis,
            &mut out,
            &alone(analysis, &sentence.text),
            vec![index],
            Frame::Sentence,
            room,
        );
        if analysis.language == "en"
            && let Some(text) = promise::promise(&sentence.text)
        {
            add(analysis, &mut out, &text, vec![index], Frame::Promise, room);
        }
        if let Some(pair) = pair(analysis, index) {
            add(
                analysis,
                &mut out,
                &pair,
                vec![index, index + 1],
                Frame::Pair,
                room,
            );
        }
    }
    framed(analysis, &mut out, room);
    let avoid: Vec<String> = avoid
        .iter()
        .map(|phrase| phrase.to_lowercase())
        .filter(|phrase| !phrase.is_empty())
        .collect();
    let avoided = |text: &str| {
        let lower = text.to_lowercase();
        avoid.iter().any(|phrase| lower.contains(phrase))
    };
    // The summary takes the sentences whole, also where the description leaves the phrase out.
    out.retain(|candidate| {
        let mut parts = candidate.parts.iter();
        let part = |part: &usize| analysis.sentences.get(*part);
        avoid.is_empty()
            || !avoided(&candidate.text)
                && !parts.any(|at| part(at).is_some_and(|sentence| avoided(&sentence.text)))
    });
    for candidate in &mut out {
        candidate.features = features::of(analysis, candidate);
        candidate.score = weights::score(&candidate.features, &analysis.language);
    }
    // Equal scores keep the article's order.
    out.sort_by(|a, b| b.score.total_cmp(&a.score));
    out
}

fn add(
    analysis: &Analysis<'_>,
    out: &mut Vec<Candidate>,
    text: &str,
    parts: Vec<usize>,
    frame: Frame,
    room: Room<'_>,
) {
    // What is no sentence gets a full stop, which needs room.
    let inner = if segment::ends_as_sentence(text) {
        room
    } else {
        room.without(fit::full_stop(&analysis.language))
    };
    let text = crate::fields::finished(&fit::fit_in(text, inner), room);
    if !text.is_empty() {
        out.push(Candidate {
            text,
            parts,
            frame,
            features: Vec::new(),
            score: 0.0,
        });
    }
}

/// This sentence and the next one of the same block, when both are short.
fn pair(analysis: &Analysis<'_>, index: usize) -> Option<String> {
    let first = analysis.sentences.get(index)?;
    let second = analysis
        .sentences
        .get(index + 1)
        .filter(|second| second.block == first.block)?;
    let (_, room) = measure_limits(&analysis.language);
    let text = fit::join(
        &alone(analysis, &first.text),
        &second.text,
        &analysis.language,
    );
    (is_usable(&second.text) && fit::measure(&text, &analysis.language) <= room).then_some(text)
}

/// A sentence as it is said when nothing stands before it.
fn alone<'a>(analysis: &Analysis<'_>, text: &'a str) -> Cow<'a, str> {
    compress::compressed(text, &analysis.language).map_or(Cow::Borrowed(text), Cow::Owned)
}

/// Whether a sentence can stand alone in a search result.
fn is_usable(text: &str) -> bool {
    let letters = text.chars().filter(|c| c.is_alphabetic()).count();
    let all = text.chars().count();
    letters * 2 >= all
        && letters >= 6
        && !text.ends_with([':', '：'])
        && !text.contains(['<', '{', '`'])
        && !form::is_byline(text)
}

/// How many sentences are tried behind the title.
const TITLED: usize = 6;

fn framed(analysis: &Analysis<'_>, out: &mut Vec<Candidate>, room: Room<'_>) {
    if analysis.title.is_empty() {
        return;
    }
    if let Some(learn) = crate::fields::learn_how(&analysis.title, &analysis.language) {
        add(analysis, out, &learn, Vec::new(), Frame::Learn, room);
        before_sentences(analysis, out, &learn, Frame::LearnMore, room);
    }
    let title = crate::fields::as_sentence(&analysis.title, &analysis.language);
    before_sentences(analysis, out, &title, Frame::Titled, room);
    // A description that only repeats the title tells nothing new.
    if out.is_empty() {
        add(analysis, out, &title, Vec::new(), Frame::Title, room);
    }
}

/// One text in front of each of the first sentences that fit behind it.
fn before_sentences(
    analysis: &Analysis<'_>,
    out: &mut Vec<Candidate>,
    text: &str,
    frame: Frame,
    room: Room<'_>,
) {
    let (_, most) = measure_limits(&analysis.language);
    for (index, sentence) in analysis.sentences.iter().enumerate().take(TITLED) {
        let text = fit::join(text, &alone(analysis, &sentence.text), &analysis.language);
        let fits = fit::measure(&text, &analysis.language) <= most;
        // What does not end as one is a heading, a link or an item of a list. In Chinese, where it was measured, that loses.
        let is_whole = analysis.language == "zh" || segment::ends_as_sentence(&sentence.text);
        if fits && is_whole && is_usable(&sentence.text) && !repeats_title(analysis, sentence) {
            add(analysis, out, &text, vec![index], frame, room);
        }
    }
}

/// Whether half of the title's words stand in a sentence, so that the title in front of it would say them twice.
fn repeats_title(analysis: &Analysis<'_>, sentence: &Sentence) -> bool {
    let said = analysis
        .title_stems
        .iter()
        .filter(|stem| sentence.stems.contains(stem))
        .count();
    said * 2 >= analysis.title_stems.len().max(1)
}
