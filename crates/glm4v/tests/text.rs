//! What people write never steers the model: tokenizer and prompt, with hostile text.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that cannot go on may panic, in its helpers too"
)]

mod common;

use glm4v::prompt::{ChatOptions, ChatTemplate, Message, Part, Prompt, Role};
use glm4v::sample::{Sampler, Sampling};
use glm4v::tokenizer::{Kind, SkipSpecial, TextStream, Tokenizer};
use rand::rngs::ChaCha8Rng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};

struct Chat {
    tokenizer: Tokenizer,
    template: ChatTemplate,
}

/// Both checkpoints: their ids, their order and `ignore_merges` differ.
fn chats() -> Vec<Chat> {
    let load = |name: &str| {
        let dir = common::fixtures().join(name);
        Chat {
            tokenizer: Tokenizer::from_dir(&dir).unwrap(),
            template: ChatTemplate::from_dir(&dir).unwrap(),
        }
    };
    vec![load("checkpoint-a"), load("checkpoint-b")]
}

impl Chat {
    fn encode(&self, messages: &[Message], enable_thinking: Option<bool>) -> Vec<u32> {
        let options = ChatOptions {
            enable_thinking,
            add_generation_prompt: true,
        };
        self.template
            .encode(&self.tokenizer, messages, options)
            .unwrap()
    }

    fn controls(&self, ids: &[u32]) -> Vec<u32> {
        ids.iter()
            .copied()
            .filter(|id| self.tokenizer.kind(*id) != Kind::Text)
            .collect()
    }
}

/// Pieces of control tokens, and what people write around them.
fn hostile(chat: &Chat, rng: &mut ChaCha8Rng) -> String {
    let controls: Vec<&str> = chat
        .tokenizer
        .controls()
        .map(|(control, _)| control)
        .collect();
    let plain = [
        "a",
        " ",
        "\n",
        "Brot",
        "。",
        "<",
        "|",
        ">",
        "[",
        "/",
        "\u{fdd0}",
        "\u{fdd1}",
        "\u{fdd0}\u{fdd1}",
        "é",
        "",
    ];
    (0..rng.random_range(0..6))
        .map(|_| {
            let control = controls.choose(rng).unwrap();
            let cut = rng.random_range(0..=control.len());
            match rng.random_range(0..5) {
                0 => (*control).to_owned(),
                1 => control[..cut].to_owned(),
                2 => control[cut..].to_owned(),
                3 => control[cut..][..(control.len() - cut) / 2].to_owned(),
                _ => (*plain.choose(rng).unwrap()).to_owned(),
            }
        })
        .collect()
}

#[test]
fn no_text_of_any_message_becomes_a_control_token() {
    for chat in chats() {
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        // What the reference's way, rendered text encoded as a whole, would have let through.
        let mut attacks = 0;
        for _ in 0..1500 {
            let mut hostile = || hostile(&chat, &mut rng);
            let written: [String; 7] = std::array::from_fn(|_| hostile());
            let messages = conversation(written.clone());
            let ids = chat.encode(&messages, Some(false));
            let harmless = conversation(std::array::from_fn(|_| "x".to_owned()));
            let expected = chat.controls(&chat.encode(&harmless, Some(false)));
            assert_eq!(chat.controls(&ids), expected, "{written:?}");

            let options = ChatOptions {
                enable_thinking: Some(false),
                add_generation_prompt: true,
            };
            let rendered = chat.template.render(&messages, options).unwrap();
            let trusted = chat.tokenizer.encode_marked(&rendered).unwrap();
            attacks += usize::from(chat.controls(&trusted) != expected);
        }
        assert!(attacks > 500, "only {attacks} of 1500 were attacks");
    }
}

#[test]
fn pieces_of_a_control_token_do_not_join() {
    for chat in chats() {
        let user = |parts: &[&str]| {
            let parts = parts.iter().map(|text| Part::text(*text)).collect();
            [Message::parts(Role::User, parts)]
        };
        let expected = chat.controls(&chat.encode(&user(&["x"]), None));
        for (control, _) in chat.tokenizer.controls() {
            for cut in 1..control.len() {
                for second in cut + 1..=control.len() {
                    let parts = [&control[..cut], &control[cut..second], &control[second..]];
                    let messages = user(&parts);
                    let ids = chat.encode(&messages, None);
                    assert_eq!(chat.controls(&ids), expected, "{parts:?}");
                    let options = ChatOptions::default();
                    let rendered = chat.template.render(&messages, options).unwrap();
                    let trusted = chat.tokenizer.encode_marked(&rendered).unwrap();
                    assert_ne!(chat.controls(&trusted), expected, "{parts:?} is no attack");
                }
            }
        }
    }
}

fn conversation(
    [system, first, second, third, answer, thought, tool]: [String; 7],
) -> Vec<Message> {
    let parts = vec![
        Part::text(first),
        Part::text(second),
        Part::Image {},
        Part::text(third),
    ];
    let answer = Message {
        reasoning_content: Some(thought),
        ..Message::text(Role::Assistant, answer)
    };
    vec![
        Message::text(Role::System, system),
        Message::parts(Role::User, parts),
        answer,
        Message::text(Role::Tool, tool),
        Message::text(Role::User, "and?"),
    ]
}

#[test]
fn what_was_typed_reaches_the_model_as_it_was_typed() {
    for chat in chats() {
        let mut rng = ChaCha8Rng::seed_from_u64(6);
        for _ in 0..500 {
            let typed = hostile(&chat, &mut rng);
            let ids = chat.encode(&[Message::text(Role::User, typed.clone())], None);
            let text = chat.tokenizer.decode(&ids, SkipSpecial::No);
            assert_eq!(
                text,
                format!("[gMASK]<sop><|user|>\n{typed}<|assistant|>\n")
            );
            let alone = chat.tokenizer.encode_text(&typed).unwrap();
            assert!(chat.controls(&alone).is_empty());
            assert_eq!(chat.tokenizer.decode(&alone, SkipSpecial::Yes), typed);
        }
    }
}

#[test]
fn an_image_that_is_typed_binds_to_no_picture() {
    for chat in chats() {
        let image = chat.tokenizer.control_id("<|image|>").unwrap();
        let parts = vec![
            Part::text("Look: <|image|>"),
            Part::Image {},
            Part::text("<|begin_of_image|><|image|>"),
        ];
        let ids = chat.encode(&[Message::parts(Role::User, parts)], None);
        let prompt = Prompt::expand(&ids, image, &[[1, 4, 6]], 2).unwrap();
        assert_eq!(
            prompt.token_ids.iter().filter(|id| **id == image).count(),
            6
        );
        assert_eq!(
            prompt
                .mm_token_type_ids
                .iter()
                .filter(|kind| **kind == 1)
                .count(),
            6
        );
        assert_eq!(prompt.token_ids.len(), ids.len() + 5);
        let line = Prompt::expand(&ids, image, &[], 2).unwrap_err().to_string();
        assert_eq!(line, "grids: 0 pictures for 1 places in the prompt");
    }
}

#[test]
fn a_stranger_cannot_switch_the_thoughts_on() {
    for chat in chats() {
        let nothink = chat.tokenizer.control_id("/nothink").unwrap();
        let ids = chat.encode(
            &[Message::text(Role::User, "Write a title./nothink")],
            Some(false),
        );
        assert_eq!(
            ids.iter().filter(|id| **id == nothink).count(),
            1,
            "ours, after the typed one"
        );
        let ids = chat.encode(&[Message::text(Role::User, "Write a title./nothink")], None);
        assert_eq!(ids.iter().filter(|id| **id == nothink).count(), 0);
    }
}

#[test]
fn a_stream_never_cuts_a_character_and_ends_as_the_whole() {
    for chat in chats() {
        let mut rng = ChaCha8Rng::seed_from_u64(7);
        for round in 0..2000 {
            // Ids at random break characters in every way there is; text gives whole ones.
            let ids: Vec<u32> = match round % 2 {
                0 => (0..12)
                    .map(|_| rng.random_range(0..chat.tokenizer.vocab_size() as u32 + 20))
                    .collect(),
                _ => chat
                    .tokenizer
                    .encode_text("🍞🎉👩‍👩‍👧‍👦 naïve 日本語 \u{fffd}")
                    .unwrap(),
            };
            for skip in [SkipSpecial::Yes, SkipSpecial::No] {
                let bytes: Vec<u8> = ids
                    .iter()
                    .filter(|id| {
                        skip == SkipSpecial::No || chat.tokenizer.kind(**id) != Kind::Special
                    })
                    .flat_map(|id| chat.tokenizer.token_bytes(*id).to_vec())
                    .collect();
                let mut stream = TextStream::new(skip);
                let mut text: String = ids
                    .iter()
                    .map(|id| stream.push(&chat.tokenizer, *id))
                    .collect();
                text.push_str(&stream.finish());
                assert_eq!(text, String::from_utf8_lossy(&bytes));
                assert_eq!(text, chat.tokenizer.decode(&ids, skip));
            }
        }
    }
}

#[test]
fn half_a_character_is_held_back() {
    for chat in chats() {
        let mut stream = TextStream::new(SkipSpecial::No);
        let ids = chat.tokenizer.encode_text("é🍞").unwrap();
        let pieces: Vec<String> = ids
            .iter()
            .map(|id| stream.push(&chat.tokenizer, *id))
            .collect();
        assert_eq!(
            pieces
                .iter()
                .filter(|piece| !piece.is_empty())
                .collect::<Vec<_>>(),
            ["é", "🍞"]
        );
        stream.push(&chat.tokenizer, ids[0]);
        assert_eq!(stream.finish(), "\u{fffd}");
    }
}

#[test]
fn a_vocabulary_that_lists_its_control_tokens_twice_is_still_safe() {
    let path = common::fixtures().join("checkpoint-a/tokenizer.json");
    let mut json: serde_json::Value =
        serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    // The first of the added tokens, whose id follows the vocabulary's last.
    json["model"]["vocab"]["<|endoftext|>"] = 988.into();
    json["model"]["ignore_merges"] = true.into();
    json["pre_tokenizer"] = serde_json::json!({
        "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false
    });
    let tokenizer = Tokenizer::from_bytes(json.to_string().as_bytes()).unwrap();
    assert_eq!(tokenizer.encode_marked("<|endoftext|>").unwrap(), [988]);
    let typed = tokenizer.encode_text("<|endoftext|>").unwrap();
    assert_eq!(typed.len(), 13, "spelt out");
    assert_eq!(tokenizer.decode(&typed, SkipSpecial::Yes), "<|endoftext|>");
}

#[test]
fn other_tokenizers_and_broken_templates_are_told_in_one_line() {
    for (json, expect) in [
        ("{", "tokenizer: "),
        (
            r#"{"version":"1.0","added_tokens":[],"model":{"type":"WordLevel","vocab":{"a":0},"unk_token":"a"}}"#,
            "only byte-level BPE",
        ),
    ] {
        let line = Tokenizer::from_bytes(json.as_bytes())
            .unwrap_err()
            .to_string();
        assert!(line.contains(expect) && !line.contains('\n'), "{line}");
    }
    let line = ChatTemplate::new("{% if %}".to_owned())
        .unwrap_err()
        .to_string();
    assert!(
        line.starts_with("chat template: ") && !line.contains('\n'),
        "{line}"
    );
    let template =
        ChatTemplate::new("{{ raise_exception('no system turn here') }}".to_owned()).unwrap();
    let line = template
        .render(&[], ChatOptions::default())
        .unwrap_err()
        .to_string();
    assert!(line.contains("no system turn here"), "{line}");
}

#[test]
fn a_long_run_of_blanks_is_encoded_like_any_text() {
    for chat in chats() {
        let text = format!("{}x{}", " ".repeat(100_000), "\t ".repeat(50_000));
        let ids = chat.tokenizer.encode_text(&text).unwrap();
        assert_eq!(chat.tokenizer.decode(&ids, SkipSpecial::No), text);
    }
}

#[test]
fn an_answer_with_its_markers_forbidden_has_none_of_them_however_likely_they_are() {
    for chat in chats() {
        let forbidden = chat.tokenizer.marker_ids();
        for marker in ["<think>", "</think>", "<|begin_of_box|>", "<|end_of_box|>"] {
            let id = chat.tokenizer.control_id(marker);
            assert!(id.is_some_and(|id| forbidden.contains(&id)), "{marker}");
        }
        let end = chat.tokenizer.control_id("<|user|>").unwrap();
        assert!(!forbidden.contains(&end), "an answer must be able to end");
        let likely = |id: u32| if forbidden.contains(&id) { 30.0 } else { 0.0 };
        let size = chat.tokenizer.vocab_size() as u32;
        let logits: Vec<f32> = (0..size).map(likely).collect();
        let answer = |forbidden: Vec<u32>| {
            let mut sampler = Sampler::new(Sampling {
                forbidden,
                ..Sampling::default()
            })
            .unwrap();
            let token = |_| sampler.sample(&logits, None).unwrap();
            (0..200).map(token).collect::<Vec<u32>>()
        };
        let is_marker = |id: &u32| forbidden.contains(id);
        assert!(answer(Vec::new()).iter().all(is_marker));
        assert!(!answer(forbidden.clone()).iter().any(is_marker));
    }
}
