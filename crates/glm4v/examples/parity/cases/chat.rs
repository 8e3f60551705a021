//! Conversations to prompts.

use anyhow::{Context, Result};
use glm4v::Config;
use glm4v::processor::Processor;
use glm4v::prompt::{ChatOptions, ChatTemplate, Content, Message, Part, Prompt};
use glm4v::tokenizer::Tokenizer;
use serde_json::Value;

use super::fixture::{Checkpoint, Rows, Tensors, ids, json_if_there, string};
use super::report::{At, Report};

/// What a conversation needs.
struct Chat {
    template: ChatTemplate,
    tokenizer: Tokenizer,
    processor: Processor,
    config: Config,
}

/// `expected/NAME/chat.json` before and `expected/NAME/cases.json` after the expansion of pictures.
pub fn conversations(checkpoint: &Checkpoint, report: &mut Report<'_>) {
    let rows = |name: &str| {
        json_if_there::<Rows>(&checkpoint.expected.join(name)).map(Option::unwrap_or_default)
    };
    let setup = || -> Result<_> {
        let chat = Chat {
            template: ChatTemplate::from_dir(&checkpoint.dir)?,
            tokenizer: Tokenizer::from_dir(&checkpoint.dir)?,
            processor: Processor::from_dir(&checkpoint.dir)?,
            config: Config::from_dir(&checkpoint.dir)?,
        };
        Ok((chat, rows("chat.json")?, rows("cases.json")?))
    };
    let (chat, before, after) = match setup() {
        Ok(setup) => setup,
        Err(error) => return report.at(&checkpoint.name, "chat").failed("files", &error),
    };
    for row in &before {
        let case = string(row, "id").unwrap_or("?");
        report
            .at(&checkpoint.name, case)
            .attempt("chat", |at| before_expansion(&chat, row, at));
    }
    for row in &after {
        let case = string(row, "id").unwrap_or("?");
        report.at(&checkpoint.name, case).attempt("prompt", |at| {
            after_expansion(checkpoint, &chat, row, case, at)
        });
    }
}

fn conversation(row: &Value) -> Result<(Vec<Message>, ChatOptions)> {
    let messages = serde_json::from_value(row.get("messages").context("no messages")?.clone())?;
    let flag = |key: &str| row.get(key).and_then(Value::as_bool);
    let options = ChatOptions {
        enable_thinking: flag("enable_thinking"),
        add_generation_prompt: flag("add_generation_prompt").unwrap_or(true),
    };
    Ok((messages, options))
}

fn before_expansion(chat: &Chat, row: &Value, at: &mut At<'_, '_>) -> Result<()> {
    let (messages, options) = conversation(row)?;
    let rendered = chat.template.render(&messages, options)?;
    at.same("rendered", rendered.as_str(), string(row, "rendered")?);
    let expected = ids(row, "ids_before_expansion")?;
    at.same(
        "ids, trusted",
        &chat.tokenizer.encode_marked(&rendered)?,
        &expected,
    );
    if !writes_controls(chat, &messages) {
        at.same(
            "ids",
            &chat.template.encode(&chat.tokenizer, &messages, options)?,
            &expected,
        );
    }
    Ok(())
}

/// Whether somebody other than the model wrote a control token: there we differ from the reference on purpose.
fn writes_controls(chat: &Chat, messages: &[Message]) -> bool {
    let texts = messages
        .iter()
        .filter(|message| message.role != glm4v::prompt::Role::Assistant)
        .flat_map(|message| match &message.content {
            Content::Text(text) => vec![text.as_str()],
            Content::Parts(parts) => parts
                .iter()
                .filter_map(|part| match part {
                    Part::Text { text } => Some(text.as_str()),
                    Part::Image {} => None,
                })
                .collect(),
        });
    let mut texts = texts;
    texts.any(|text| {
        chat.tokenizer
            .controls()
            .any(|(control, _)| text.contains(control))
    })
}

fn after_expansion(
    checkpoint: &Checkpoint,
    chat: &Chat,
    row: &Value,
    case: &str,
    at: &mut At<'_, '_>,
) -> Result<()> {
    let (messages, options) = conversation(row)?;
    let tensors = Tensors::read(&checkpoint.expected.join(case).with_extension("safetensors"))?;
    let images = row
        .get("images")
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_default();
    let sizes =
        json_if_there::<Rows>(&checkpoint.expected.join("images/images.json"))?.unwrap_or_default();
    let grids = images
        .iter()
        .map(|name| {
            let size = sizes
                .iter()
                .find(|size| size.get("image") == Some(name))
                .context("an image has no size")?;
            let side = |key| super::fixture::count(size, key);
            Ok(chat.processor.grid_thw(side("width")?, side("height")?)?)
        })
        .collect::<Result<Vec<_>>>()?;
    let ids = chat.template.encode(&chat.tokenizer, &messages, options)?;
    let merge = chat.processor.config().merge_size;
    let prompt = Prompt::expand(&ids, chat.config.image_token_id, &grids, merge)?;

    let expected = |name: &str| tensors.i64(name).map(|array| array.values);
    let wide = |ids: &[u32]| ids.iter().map(|id| i64::from(*id)).collect::<Vec<_>>();
    at.same(
        "input_ids",
        &wide(&prompt.token_ids),
        &expected("input_ids")?,
    );
    let types: Vec<i64> = prompt
        .mm_token_type_ids
        .iter()
        .map(|kind| i64::from(*kind))
        .collect();
    at.same("mm_token_type_ids", &types, &expected("mm_token_type_ids")?);
    if tensors.has("image_grid_thw") {
        let found: Vec<i64> = prompt
            .grids
            .iter()
            .flatten()
            .map(|side| *side as i64)
            .collect();
        at.same("image_grid_thw", &found, &expected("image_grid_thw")?);
    }
    Ok(())
}
