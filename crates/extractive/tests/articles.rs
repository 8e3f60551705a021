//! Whole articles, own-written, and what is made of them.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may fail by panicking"
)]

use extractive::{
    AltSource, Article, Class, ContentFormat, Grounds, Guidance, ImageContext, ImageRole, Limits,
    Looks, Summary, WarningCode, summarize, text,
};

const BREAD: &str = r#"<p>Rye bread needs more time than skill. This guide shows how to raise a rye loaf overnight with a sourdough starter, and how to bake it with a dark crust.</p>
<h2>Feed the starter</h2>
<p>Mix the starter with rye flour and warm water in the evening. The sourdough starter doubles by the morning.</p>
<figure><img src="/uploads/IMG_2041.jpg?w=1024"><figcaption>A sourdough starter after one night</figcaption></figure>
<h2>Shape the loaf</h2>
<p>Wet hands keep the dough from sticking.</p>
<p><img src="/uploads/rye-loaf-in-basket.jpg"></p>
<pre>not prose</pre><script>alert(1)</script>
<p>Bake the rye loaf for an hour; see https://example.com/rye for more.</p>"#;

const TEA: &str = "# 如何冲泡绿茶\n\n本文介绍如何用合适的水温冲泡绿茶，并说明茶叶与水的比例。\n\n## 水温\n\n冲泡绿茶的水温应在八十度左右。水温过高会使绿茶发苦。\n\n![](images/tea-01.png)\n\n## 茶叶\n\n每一百毫升水放两克茶叶，茶叶不宜过多。\n";

fn summary(
    title: &str,
    content: &str,
    format: ContentFormat,
    images: &[ImageContext<'_>],
) -> Summary {
    let article = Article {
        title: Some(title),
        content,
        format,
        language: None,
    };
    summarize(&article, images, &Limits::default(), &Guidance::default())
}

#[test]
fn an_english_article() {
    let images = [
        ImageContext {
            id: "one",
            src: Some("https://cdn.example.com/uploads/IMG_2041.jpg"),
            ..ImageContext::default()
        },
        ImageContext {
            id: "two",
            filename: Some("rye-loaf-in-basket.jpg"),
            ..ImageContext::default()
        },
        ImageContext {
            id: "three",
            filename: Some("divider.png"),
            ..ImageContext::default()
        },
        ImageContext {
            id: "four",
            filename: Some("owl.png"),
            role: ImageRole::Decorative,
            ..ImageContext::default()
        },
    ];
    let found = summary(
        "Bake a rye loaf at home",
        BREAD,
        ContentFormat::Html,
        &images,
    );
    assert_eq!(found.language, "en");
    assert_eq!(found.title, "Bake a rye loaf at home");
    assert_eq!(found.slug, "bake-a-rye-loaf-at-home");
    assert!(
        (50..=160).contains(&found.meta_description.chars().count()),
        "{}",
        found.meta_description
    );
    assert!(
        found.meta_description.ends_with('.'),
        "{}",
        found.meta_description
    );
    assert!(
        found
            .keywords
            .iter()
            .any(|word| word.eq_ignore_ascii_case("rye loaf")),
        "{:?}",
        found.keywords
    );
    assert!(
        !found.summary.contains("example.com") && !found.summary.contains("alert"),
        "{}",
        found.summary
    );
    let alts: Vec<(&str, AltSource)> = found
        .alt_texts
        .iter()
        .map(|alt| (alt.text.as_str(), alt.source))
        .collect();
    assert_eq!(
        alts[0],
        ("A sourdough starter after one night", AltSource::Caption)
    );
    assert!(!alts[1].0.is_empty());
    assert_eq!(
        (alts[2], alts[3]),
        (("", AltSource::None), ("", AltSource::None))
    );
    let document = text::blocks(BREAD, ContentFormat::Html);
    let grounds = Grounds::of(&document, &[]);
    assert_eq!(
        grounds.unsupported_words(&found.meta_description),
        Vec::<String>::new(),
        "{}",
        found.meta_description
    );
    for claim in grounds.claims(&found.meta_description) {
        assert!(claim.support.is_some(), "{claim:?}");
    }
    assert!(found.evidence.iter().any(|piece| {
        piece
            .offset
            .is_some_and(|at| BREAD[at..].starts_with(&piece.text))
    }));
}

#[cfg(feature = "dictionary")]
#[test]
fn a_chinese_article() {
    let images = [ImageContext {
        id: "tea-01.png",
        src: Some("tea-01.png"),
        ..ImageContext::default()
    }];
    let found = summary("如何冲泡绿茶", TEA, ContentFormat::Markdown, &images);
    assert_eq!(found.language, "zh");
    assert_eq!(
        (found.title.as_str(), found.slug.as_str()),
        ("如何冲泡绿茶", "ru-he-chong-pao-lu-cha")
    );
    assert_eq!(
        found.meta_description,
        "本文介绍如何用合适的水温冲泡绿茶，并说明茶叶与水的比例。"
    );
    assert!(
        found.keywords.iter().any(|word| word == "绿茶"),
        "{:?}",
        found.keywords
    );
    assert!(!found.alt_texts[0].decorative, "{:?}", found.alt_texts);
}

#[test]
fn of_a_picture_that_the_article_does_not_show_nothing_is_invented() {
    let names = ["IMG_2041-edited.jpg", "cam-12mp-icc.jpg", "tiny-1x1.jpg"];
    let images = names.map(|name| ImageContext {
        id: name,
        filename: Some(name),
        ..ImageContext::default()
    });
    let elsewhere = BREAD.replace("IMG_2041", "other");
    let found = summary("Rye", &elsewhere, ContentFormat::Html, &images);
    for alt in &found.alt_texts {
        assert!(
            alt.needs_human && !alt.decorative && alt.text.is_empty(),
            "{alt:?}"
        );
    }
}

/// Text and `needs_human` of one picture, `looks` as measured.
fn alt(title: &str, content: &str, file: &str, looks: Option<Looks>) -> (String, bool) {
    let image = ImageContext {
        id: "one",
        filename: Some(file),
        looks,
        ..ImageContext::default()
    };
    let mut found = summary(title, content, ContentFormat::Html, &[image]);
    let alt = found.alt_texts.remove(0);
    assert!(!alt.decorative, "{alt:?}");
    (alt.text, alt.needs_human)
}

#[test]
fn what_one_source_guesses_needs_a_person_and_what_two_agree_on_does_not() {
    let bread =
        "<p>The crust of a rye loaf is dark.</p><img src='/rye-crust.jpg'><img src='/IMG_1.jpg'>";
    let (text, guessed) = alt("Baking", bread, "rye-crust.jpg", None);
    assert!(!guessed && !text.is_empty(), "{text}");
    assert!(alt("Baking", bread, "IMG_1.jpg", None).1);
    let tea = "<p>冲泡绿茶的水温应在八十度左右。</p><img src='/a1.png'>";
    assert!(alt("绿茶", tea, "a1.png", None).1);
    let tea = "<p>下图显示了茶叶的比例。</p><img src='/a2.png'>";
    assert_eq!(
        alt("绿茶", tea, "a2.png", None),
        ("茶叶的比例".to_owned(), false)
    );
}

#[test]
fn a_sentence_about_a_chart_is_not_taken_for_a_photographs() {
    let looks = |class| Some(Looks { class, text: 0.02 });
    let shown = |content: &str, class| alt("A title", content, "a1.png", looks(class)).0;
    let english = "<p>The following chart shows the price of rye.</p><img src='/a1.png'>";
    assert_eq!(shown(english, Class::Drawn), "The price of rye");
    assert_ne!(shown(english, Class::Photo), "The price of rye");
    let chinese = "<p>下面的流程图说明了发酵的步骤。</p><img src='/a1.png'>";
    assert!(!shown(chinese, Class::Photo).contains("发酵"));
    assert!(shown(chinese, Class::Drawn).contains("发酵"));
}

#[test]
fn what_is_written_on_a_picture_is_said_where_only_a_name_tells_of_it() {
    let written = |content: &str, file: &str, words: &str| {
        let image = ImageContext {
            id: "one",
            filename: Some(file),
            words: Some(words),
            ..ImageContext::default()
        };
        let mut found = summary("Baking", content, ContentFormat::Html, &[image]);
        let alt = found.alt_texts.remove(0);
        (alt.text, alt.needs_human, alt.source)
    };
    let page = "<p>Rye bread needs time more than skill.</p>";
    let chinese = "<p>黑麦面包需要时间，而不是技巧。酸面团要发酵一整夜。</p>";
    let read = |text: &str| (text.to_owned(), true, AltSource::Words);
    assert_eq!(
        written(page, "IMG_1.png", "Oven\n|\nSet 240 degrees.\nClose"),
        read("Oven, Set 240 degrees. Close")
    );
    assert_eq!(
        written(chinese, "IMG_1.png", "烤箱\n温度"),
        read("烤箱，温度")
    );
    // What somebody says of it goes before, and what says nothing is not said.
    let captioned = "<figure><img src='/IMG_1.png'><figcaption>A dark loaf</figcaption></figure>";
    assert_eq!(written(captioned, "IMG_1.png", "Oven").0, "A dark loaf");
    assert_eq!(
        written(page, "IMG_1.png", "| 1"),
        (String::new(), true, AltSource::None)
    );
}

#[test]
fn the_name_of_a_thing_is_not_put_behind_a_promise() {
    let content = "[HipChat Setup](a) [Telegram Setup](b)\n\nAn event handler is a small program that is told of what \
                   happens to a build, and that sends a message somewhere when it fails.\n";
    let found = summary(
        "Set up event handlers",
        content,
        ContentFormat::Markdown,
        &[],
    );
    assert!(
        !found.meta_description.contains("Telegram"),
        "{}",
        found.meta_description
    );
}

#[test]
fn other_languages_are_served_gracefully() {
    let cases = [
        (
            "Brot backen",
            "Ein gutes Brot braucht vor allem Zeit und ein wenig Geduld, aber keine besondere Kunst. Der Teig ruht über Nacht in einer Schüssel.",
            "de",
            "brot-backen",
        ),
        (
            "パンの作り方",
            "おいしいパンを作るには時間が必要です。生地は一晩寝かせてから焼きます。",
            "ja",
            "pannozuo-rifang",
        ),
        (
            "خبز الجاودار",
            "يحتاج الخبز الجيد إلى الوقت قبل كل شيء، ولا يحتاج إلى مهارة خاصة من الخباز في المنزل.",
            "ar",
            "",
        ),
    ];
    for (title, content, language, slug) in cases {
        let found = summary(title, content, ContentFormat::Text, &[]);
        assert_eq!(found.language, language);
        assert_eq!(found.title, title);
        assert!(
            !found.meta_description.is_empty() && !found.summary.is_empty(),
            "{language}"
        );
        assert!(!found.slug.is_empty(), "{language}");
        if matches!(language, "de") {
            assert_eq!(found.slug, slug);
        }
    }
}

#[test]
fn guidance_is_followed() {
    let wishes = ["Sourdough starter".to_owned(), "croissant".to_owned()];
    let avoid = ["this guide".to_owned()];
    let guidance = Guidance {
        must_include: &wishes,
        avoid: &avoid,
        brand: Some("Bakery"),
    };
    let article = Article {
        title: Some("Rye loaf"),
        content: BREAD,
        format: ContentFormat::Html,
        language: Some("en-GB"),
    };
    let found = summarize(&article, &[], &Limits::default(), &guidance);
    assert_eq!(
        (found.language.as_str(), found.title.as_str()),
        ("en", "Rye loaf | Bakery")
    );
    assert_eq!(found.keywords[0], "Sourdough starter");
    assert!(
        !found.meta_description.contains("This guide") && !found.summary.contains("This guide")
    );
    assert!(
        found
            .warnings
            .iter()
            .any(|warning| warning.code == WarningCode::KeywordNotInArticle)
    );
}

#[test]
fn nothing_gives_an_empty_summary_and_says_so() {
    let found = summarize(
        &Article::default(),
        &[],
        &Limits::default(),
        &Guidance::default(),
    );
    assert_eq!(
        (
            found.title.as_str(),
            found.meta_description.as_str(),
            found.language.as_str()
        ),
        ("", "", "und")
    );
    assert!(
        found
            .warnings
            .iter()
            .any(|warning| warning.code == WarningCode::NoText)
    );
}

#[test]
fn a_picture_that_is_a_link_says_where_it_leads() {
    let post = "<p>We bake every day.</p><p><a href='/order-bread/'><img src='icon.png'></a></p>\
                <figure><a href='/shop'><img src='loaf.jpg'></a><figcaption>A dark loaf</figcaption></figure>\
                <p><a href='https://example.org'><img src='line.png'></a> The crust is dark.</p>";
    assert_eq!(
        alt("Bread", post, "icon.png", None),
        ("Order bread".to_owned(), true)
    );
    // Its caption is somebody's word, and stays.
    assert_eq!(
        alt("Bread", post, "loaf.jpg", None),
        ("A dark loaf".to_owned(), false)
    );
    // An address without words: what stands around it, for a person to look at.
    assert!(alt("Bread", post, "line.png", None).1);
    let asked = ImageContext {
        id: "one",
        filename: Some("line.png"),
        link: Some("https://example.org/opening-hours?from=x"),
        ..ImageContext::default()
    };
    let found = summary("Bread", post, ContentFormat::Html, &[asked]);
    let alt = &found.alt_texts[0];
    assert_eq!(
        (alt.text.as_str(), alt.source, alt.needs_human),
        ("Opening hours", AltSource::Link, true)
    );
}
